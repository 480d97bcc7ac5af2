//! Prints the allocations and the bytes of one subject of `http_cache` answering so many requests.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

#[path = "http_cache/subjects.rs"]
mod subjects;

use towerblock_core::BoxError;

use crate::subjects::{runtime, subjects};

fn main() -> Result<(), BoxError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [place, requests] = args.as_slice() else {
        return Err("usage: http_cache_allocations PLACE REQUESTS".into());
    };
    let runtime = runtime()?;
    let _entered = runtime.enter();
    let subjects = subjects()?;
    let subject = subjects.get(place.parse::<usize>()?);
    let subject = subject.ok_or("no such subject")?;
    let requests = requests.parse()?;
    runtime.block_on(subject.warm());
    let counted = allocation_counter::measure(|| runtime.block_on(subject.run(requests)));
    println!("{} {}", counted.count_total, counted.bytes_total);
    Ok(())
}
