//! The chores of this workspace, run as `cargo xtask <chore>`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks through them"
)]

mod arrows;
mod cargo;
mod ci;
mod dashboards;
mod deploy;
mod examples;
mod failure;
mod lines;
mod outside;
mod pages;
mod servers;
mod suite;
mod tree;
mod workspace;

use std::process::ExitCode;

use crate::failure::Failure;
use crate::suite::Suite;
use crate::workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask <chore>

  test [--long] [-- ARGS]  find or install the servers, then run every test
                           --long  also the tests that take minutes
                           ARGS    go to `cargo test`
  ci                       everything that CI checks, in its order
  dashboards [--check]     write docs/observability anew, of what the crates say of their metrics
                           --check  say what would change, and try the rules";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            failure.code()
        }
    }
}

fn run(args: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test", rest @ ..] => {
            let suite = Suite::parse(rest).ok_or_else(|| Failure::new(USAGE))?;
            suite.run(&Workspace::load()?)
        }
        ["dashboards"] => dashboards::write(&Workspace::load()?),
        ["dashboards", "--check"] => {
            let workspace = Workspace::load()?;
            dashboards::check(&workspace)?;
            dashboards::promtool(&workspace)
        }
        ["ci"] => ci::run(&Workspace::load()?),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure::new(USAGE)),
    }
}
