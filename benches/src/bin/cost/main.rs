//! What a request costs: instructions and allocations, for each subject.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks through them"
)]

mod allocations;
mod table;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use towerblock_benches::{Callgrind, SUBJECTS, Subject};

use crate::table::Row;

const USAGE: &str = "\
usage: cost [--write]
  --write  put the table into docs/performance.md
(cost --subject NAME --requests N  is what callgrind runs)";

/// What a process costs at `MORE` requests less what it costs at `FEW` is the cost of the
/// requests between: start, first use and end cancel out.
const FEW: u32 = 200;
const MORE: u32 = 1_200;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cost: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => {
            println!("{}", measure()?);
            Ok(())
        }
        ["--write"] => {
            let table = measure()?;
            println!("{table}");
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            table::write(&root.join("docs/performance.md"), &table)
        }
        ["--subject", name, "--requests", requests] => {
            let subject = Subject::named(name).ok_or("no such subject")?;
            let _length = subject.serve(requests.parse()?);
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

fn measure() -> Result<String, Box<dyn Error>> {
    let callgrind = Callgrind::find()?;
    let mut rows = Vec::new();
    for subject in SUBJECTS {
        eprintln!("measuring {}", subject.name);
        let instructions = |requests: u32| {
            let requests = requests.to_string();
            let args = ["--subject", subject.name, "--requests", &requests];
            callgrind.instructions("towerblock_benches::wire::exchange", &args)
        };
        rows.push(Row {
            name: subject.name,
            instructions: [per_request(instructions)?, per_request(instructions)?],
            allocations: per_request(|requests| Ok(allocations::count(*subject, requests)?.0))?,
            bytes: per_request(|requests| Ok(allocations::count(*subject, requests)?.1))?,
        });
    }
    let origin = format!("{}, {}.", callgrind.version(), table::machine()?);
    Ok(format!("{}\n{origin}", table::render(&rows)))
}

/// The mean of what a request adds.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of some millions are exact in a double"
)]
fn per_request(count: impl Fn(u32) -> Result<u64, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let added = count(MORE)?.checked_sub(count(FEW)?);
    let added = added.ok_or("more requests cost less than few")?;
    Ok(added as f64 / f64::from(MORE - FEW))
}
