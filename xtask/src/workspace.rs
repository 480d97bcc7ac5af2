use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use cargo_metadata::{CargoOpt, Metadata, MetadataCommand, Package, PackageId};

use crate::failure::Failure;

/// The workspace as cargo resolves it, with every feature on.
#[derive(Debug)]
pub(crate) struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self, Failure> {
        let metadata = MetadataCommand::new()
            .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
            .features(CargoOpt::AllFeatures)
            .exec()
            .map_err(|error| Failure::new(error.to_string()))?;
        Ok(Self { metadata })
    }

    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// `cargo` at the root, the one that runs us.
    pub(crate) fn cargo(&self) -> Command {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command.current_dir(self.root());
        command
    }

    pub(crate) fn members(&self) -> Vec<&Package> {
        self.metadata.workspace_packages()
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Package> {
        self.members()
            .into_iter()
            .find(|package| package.name.as_str() == name)
    }

    /// The members that users can depend on.
    pub(crate) fn published(&self) -> Vec<&Package> {
        let mut members = self.members();
        members.retain(|package| is_published(package));
        members
    }

    /// Every package that takes part in a build of some member.
    pub(crate) fn packages(&self) -> HashMap<&PackageId, &Package> {
        self.metadata
            .packages
            .iter()
            .map(|package| (&package.id, package))
            .collect()
    }

    /// How each package was resolved: its features and its dependencies.
    pub(crate) fn resolved(&self) -> HashMap<&PackageId, &cargo_metadata::Node> {
        self.metadata
            .resolve
            .iter()
            .flat_map(|resolve| &resolve.nodes)
            .map(|node| (&node.id, node))
            .collect()
    }
}

pub(crate) fn is_published(package: &Package) -> bool {
    // `publish = false` is an empty list of registries.
    package.publish.as_ref().is_none_or(|to| !to.is_empty())
}
