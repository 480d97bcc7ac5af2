use crate::failure::{Failure, run};
use crate::workspace::Workspace;

const PACKAGE: &str = "towerblock-examples";

/// These run until they are stopped; tests of their own start them.
const SERVERS: &[&str] = &["server"];

/// Runs each example to its end, as a reader would.
pub(crate) fn run_all(workspace: &Workspace) -> Result<(), Failure> {
    let Some(package) = workspace.member(PACKAGE) else {
        println!("there is no {PACKAGE} yet");
        return Ok(());
    };
    let examples = package.targets.iter().filter(|target| target.is_example());
    for example in examples.filter(|target| !SERVERS.contains(&target.name.as_str())) {
        println!("example {}", example.name);
        // With the features that the tests were built with: nothing is built twice.
        run(workspace.cargo().args([
            "run",
            "--quiet",
            "--all-features",
            "--example",
            &example.name,
        ]))?;
    }
    Ok(())
}
