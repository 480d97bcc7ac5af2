use std::process::Stdio;

use crate::failure::{Failure, none_of, run};
use crate::workspace::Workspace;

/// Everything that is compiled, tests and examples too.
const EVERYTHING: &[&str] = &["clippy", "--workspace", "--all-targets"];
/// By argument, not by `RUSTFLAGS`: another value of that would build all dependencies anew.
const NO_WARNINGS: &[&str] = &["--", "-D", "warnings"];
/// What cargo calls a key that it does not know, and so ignores.
const UNUSED_KEY: &str = "unused manifest key";
const DENY: &str = "^0.20";

pub(crate) fn format(workspace: &Workspace) -> Result<(), Failure> {
    run(workspace.cargo().args(["fmt", "--all", "--check"]))
}

pub(crate) fn lints(workspace: &Workspace) -> Result<(), Failure> {
    run(workspace.cargo().args(EVERYTHING).args(NO_WARNINGS))
}

pub(crate) fn lints_of_all_features(workspace: &Workspace) -> Result<(), Failure> {
    let mut cargo = workspace.cargo();
    cargo.args(EVERYTHING).arg("--all-features");
    run(cargo.args(NO_WARNINGS))
}

/// Misspelt keys in manifests. Cargo tells of them at every build, so this repeats one that
/// has nothing left to do.
pub(crate) fn manifests(workspace: &Workspace) -> Result<(), Failure> {
    let output = workspace
        .cargo()
        .args(EVERYTHING)
        .args(NO_WARNINGS)
        .stdin(Stdio::null())
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    let unused = told.lines().filter(|line| line.contains(UNUSED_KEY));
    none_of(unused.map(str::to_owned))
}

pub(crate) fn docs(workspace: &Workspace) -> Result<(), Failure> {
    run(workspace
        .cargo()
        .args(["doc", "--workspace", "--no-deps", "--all-features"])
        .env("RUSTDOCFLAGS", "-D warnings"))
}

/// Each published crate as a user may build it: without features, then with each alone, and
/// never with what our own tests switch on.
pub(crate) fn features(workspace: &Workspace) -> Result<(), Failure> {
    for package in workspace.published() {
        let alone = package.features.keys().filter(|name| *name != "default");
        for feature in [""].into_iter().chain(alone.map(String::as_str)) {
            println!("{} [{feature}]", package.name);
            let mut cargo = workspace.cargo();
            cargo.args(["clippy", "--quiet", "--lib", "--no-default-features"]);
            cargo.args(["--package", &package.name, "--features", feature]);
            run(cargo.args(NO_WARNINGS))?;
        }
    }
    Ok(())
}

/// Bans, licences and sources; the advisories need a network, and have a workflow.
pub(crate) fn deny(workspace: &Workspace) -> Result<(), Failure> {
    let mut version = workspace.cargo();
    version.args(["deny", "--version"]);
    let found = version.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found?.success() {
        println!("installing cargo-deny, once");
        let mut cargo = workspace.cargo();
        run(cargo.args(["install", "--locked", "cargo-deny", "--version", DENY]))?;
    }
    let mut cargo = workspace.cargo();
    cargo.args(["deny", "--all-features", "check"]);
    run(cargo.args(["bans", "licenses", "sources"]))
}
