//! Prints the allocations and the bytes of `SUBJECT` answering `REQUESTS`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks through them"
)]

use std::process::ExitCode;

use towerblock_benches::Subject;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, requests] = args.as_slice() else {
        eprintln!("usage: allocations SUBJECT REQUESTS");
        return ExitCode::FAILURE;
    };
    let (Some(subject), Ok(requests)) = (Subject::named(name), requests.parse()) else {
        eprintln!("no such subject, or no such number");
        return ExitCode::FAILURE;
    };
    let counted = allocation_counter::measure(|| {
        let _length = subject.serve(requests);
    });
    println!("{} {}", counted.count_total, counted.bytes_total);
    ExitCode::SUCCESS
}
