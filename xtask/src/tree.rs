use std::collections::HashSet;

use cargo_metadata::semver::Version;
use cargo_metadata::{DependencyKind, Package, PackageId};

use crate::workspace::Workspace;

/// TLS is rustls with ring. `openssl-probe` only looks for certificates.
const OTHER_TLS: &[&str] = &[
    "aws-lc-fips-sys",
    "aws-lc-rs",
    "aws-lc-sys",
    "boring",
    "boring-sys",
    "native-tls",
    "openssl",
    "openssl-sys",
    "s2n-tls",
];

/// Where TLS has another provider than ring, or two.
pub(crate) fn tls(workspace: &Workspace) -> Vec<String> {
    let packages = workspace.packages();
    let resolved = workspace.resolved();
    let tree = resolved.values().filter_map(|node| {
        let name = packages.get(&node.id)?.name.as_str();
        let features = node.features.iter().map(String::as_str);
        Some((name, features.collect()))
    });
    tree.filter_map(|(name, features)| foreign_tls(name, &features))
        .collect()
}

fn foreign_tls(name: &str, features: &HashSet<&str>) -> Option<String> {
    if OTHER_TLS.contains(&name) {
        return Some(format!("{name} is in the tree: TLS is rustls with ring"));
    }
    let ring_only = features.contains("ring") && !features.contains("aws_lc_rs");
    (name == "rustls" && !ring_only).then(|| {
        let mut features: Vec<_> = features.iter().copied().collect();
        features.sort_unstable();
        format!("rustls must have ring, and no other: {features:?}")
    })
}

/// The packages beneath a published crate that need a newer Rust than we promise.
pub(crate) fn msrv(workspace: &Workspace) -> Vec<String> {
    let packages = workspace.packages();
    let newer = |package: &Package, promised: &Version| {
        let needs = package.rust_version.as_ref()?;
        let Package { name, version, .. } = package;
        (needs > promised).then(|| format!("{name} {version} needs Rust {needs}"))
    };
    let mut complaints: Vec<String> = Vec::new();
    for package in workspace.published() {
        let Some(promised) = &package.rust_version else {
            complaints.push(format!("{} states no rust-version", package.name));
            continue;
        };
        let beneath = beneath(workspace, &package.id);
        let beneath = beneath.iter().filter_map(|id| packages.get(*id));
        complaints.extend(beneath.filter_map(|package| newer(package, promised)));
    }
    complaints.sort();
    complaints.dedup();
    complaints
}

/// Everything that a user's build of `root` compiles.
fn beneath<'a>(workspace: &'a Workspace, root: &'a PackageId) -> HashSet<&'a PackageId> {
    let resolved = workspace.resolved();
    let mut seen = HashSet::from([root]);
    let mut open = vec![root];
    while let Some(node) = open.pop().and_then(|id| resolved.get(id)) {
        let built = node.deps.iter().filter(|dep| {
            let mut kinds = dep.dep_kinds.iter();
            kinds.any(|of| of.kind != DependencyKind::Development)
        });
        open.extend(built.map(|dep| &dep.pkg).filter(|id| seen.insert(id)));
    }
    seen
}

/// Who may name fred: the crate that supervises it, and the benches, which measure it as a peer.
const NAMES_FRED: [&str; 3] = [
    "towerblock-redis",
    "towerblock-benches",
    "towerblock-assembled",
];

/// The members that name fred and may not.
pub(crate) fn fred(workspace: &Workspace) -> Vec<String> {
    let names_fred = |package: &&Package| {
        let mut dependencies = package.dependencies.iter();
        dependencies.any(|dependency| dependency.name == "fred")
    };
    let members = workspace.members().into_iter();
    members
        .filter(names_fred)
        .filter(|package| !NAMES_FRED.contains(&package.name.as_str()))
        .map(|package| format!("{} names fred, which is for towerblock-redis", package.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::foreign_tls;

    #[test]
    fn rustls_stands_on_ring_alone() {
        let is_foreign = |name, features: &[&'static str]| {
            foreign_tls(name, &HashSet::from_iter(features.iter().copied())).is_some()
        };
        assert!(!is_foreign("rustls", &["ring", "std"]));
        assert!(!is_foreign("openssl-probe", &[]));
        assert!(is_foreign("rustls", &["std"]));
        assert!(is_foreign("rustls", &["ring", "aws_lc_rs"]));
        assert!(is_foreign("native-tls", &[]));
    }
}
