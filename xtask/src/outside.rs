use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, run};
use crate::workspace::Workspace;

const FACADE: &str = "towerblock";
/// What the README has its reader add, with the crates of others that its snippet names.
const ADDED: &str = "cargo add towerblock --features ";
/// Facade features that mean axum, and so bring it.
const OF_AXUM: &[&str] = &["axum", "default", "full"];

/// Builds and runs the README's service as its reader would, outside this workspace; and has
/// no axum brought to who did not ask for it.
pub(crate) fn service(workspace: &Workspace) -> Result<(), Failure> {
    let readme = fs::read_to_string(workspace.root().join("README.md"))?;
    let (features, source) =
        snippet(&readme).ok_or_else(|| Failure::new("the README has no snippet to build"))?;
    let place = std::env::temp_dir().join(format!("xtask-outside-{}", std::process::id()));
    let reader = Reader {
        workspace,
        place: place.clone(),
    };
    let outcome = reader
        .runs(&features, source)
        .and_then(|()| reader.needs_no_axum());
    fs::remove_dir_all(&place)?;
    outcome
}

struct Reader<'a> {
    workspace: &'a Workspace,
    place: PathBuf,
}

impl Reader<'_> {
    fn runs(&self, features: &[&str], source: &str) -> Result<(), Failure> {
        let others = "axum = { version = \"0.8\", default-features = false, features = [\"http1\", \"tokio\"] }\n\
                      http = \"1\"\n\
                      tokio = { version = \"1\", features = [\"macros\", \"rt\"] }\n\
                      tower = { version = \"0.5\", features = [\"util\"] }\n";
        self.write(features, others, source)?;
        run(self.cargo().args(["run", "--quiet"]))
    }

    fn needs_no_axum(&self) -> Result<(), Failure> {
        let facade = self.workspace.member(FACADE);
        let facade = facade.ok_or_else(|| Failure::new(format!("there is no {FACADE}")))?;
        let features = facade.features.keys().map(String::as_str);
        let features: Vec<_> = features.filter(|name| !OF_AXUM.contains(name)).collect();
        self.write(&features, "", "fn main() {}\n")?;
        let mut tree = self.cargo();
        tree.args(["tree", "--quiet", "--edges", "normal", "--prefix", "none"]);
        let tree = tree.output()?;
        let names = String::from_utf8_lossy(&tree.stdout);
        if !tree.status.success() || !names.contains(FACADE) {
            return Err(Failure::new(String::from_utf8_lossy(&tree.stderr)));
        }
        match names.lines().find(|line| line.starts_with("axum")) {
            Some(axum) => Err(Failure::new(format!("nobody asked for {axum}"))),
            None => Ok(()),
        }
    }

    /// A package of its own, with the versions that this workspace has.
    fn write(&self, features: &[&str], others: &str, source: &str) -> Result<(), Failure> {
        let root = self.workspace.root();
        let path = root.join("crates").join(FACADE);
        let manifest = format!(
            "[workspace]\n[package]\nname = \"outside\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [dependencies]\n{FACADE} = {{ path = {path:?}, features = {features:?} }}\n{others}"
        );
        fs::create_dir_all(self.place.join("src"))?;
        fs::write(self.place.join("Cargo.toml"), manifest)?;
        fs::write(self.place.join("src/main.rs"), source)?;
        fs::copy(root.join("Cargo.lock"), self.place.join("Cargo.lock"))?;
        Ok(())
    }

    fn cargo(&self) -> Command {
        let mut cargo = self.workspace.cargo();
        cargo.current_dir(&self.place);
        // What is built already serves here as well.
        cargo.env("CARGO_TARGET_DIR", target(self.workspace.root()));
        cargo
    }
}

fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |set| root.join(set))
}

/// The features that the README names, and its service.
fn snippet(readme: &str) -> Option<(Vec<&str>, &str)> {
    let (_, rest) = readme.split_once(ADDED)?;
    let (features, rest) = rest.split_once('`')?;
    let (_, rest) = rest.split_once("```rust\n")?;
    let (source, _) = rest.split_once("```")?;
    Some((features.split(',').collect(), source))
}

#[cfg(test)]
mod tests {
    use super::snippet;

    #[test]
    fn a_snippet_is_the_first_after_what_is_added() {
        let readme = "```rust\nno\n```\n`cargo add towerblock --features a,b`:\n\n```rust\nfn main() {}\n```\n";
        assert_eq!(snippet(readme), Some((vec!["a", "b"], "fn main() {}\n")));
        assert_eq!(snippet("```rust\nfn main() {}\n```"), None);
    }
}
