//! What an answer from the cache costs, with and without an encoding, beside the bare route, the
//! route with compression, and other layers that cache responses.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

mod allocations;
mod subjects;

use std::env;
use std::error::Error;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::Instant;
use towerblock_benches::Callgrind;
use towerblock_core::BoxError;

use crate::subjects::{Subject, runtime, subjects};

const ROUNDS: usize = 15;
const REQUESTS: usize = 2_000;
/// What a process counts at `MORE` requests less what it counts at `FEW` is the cost of those
/// between.
const FEW: usize = 200;
const MORE: usize = 1_200;

fn main() -> Result<(), BoxError> {
    let runtime = runtime()?;
    let _entered = runtime.enter();
    let args: Vec<String> = env::args().skip(1).collect();
    let subjects = subjects()?;
    if let [place, requests] = args.as_slice() {
        // What callgrind runs.
        let subject = subjects.get(place.parse::<usize>()?);
        let subject = subject.ok_or("no such subject")?;
        runtime.block_on(subject.warm());
        count(&runtime, subject, requests.parse()?);
        return Ok(());
    }
    for subject in &subjects {
        runtime.block_on(subject.warm());
    }
    let nanos = medians(&runtime, &subjects);
    let callgrind = Callgrind::find().map_err(|error| error.to_string())?;
    let bare = *nanos.first().expect("the bare route is the first");
    println!("| a page of 20 plugins | time | of bare | allocations | bytes | instructions |");
    println!("|---|--:|--:|--:|--:|--:|");
    for (place, (subject, nanos)) in subjects.iter().zip(nanos).enumerate() {
        let instructions = instructions(&callgrind, place).map_err(|it| it.to_string())?;
        let (allocations, bytes) = allocations::each(place).map_err(|it| it.to_string())?;
        println!(
            "| {} | {nanos:.0} ns | {:.2} × | {allocations:.1} | {bytes:.0} | {instructions} |",
            subject.name,
            nanos / bare,
        );
    }
    Ok(())
}

/// The subjects in turn, so that what else the machine does concerns all of them.
fn medians(runtime: &Runtime, subjects: &[Subject]) -> Vec<f64> {
    let mut nanos = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for (subject, nanos) in subjects.iter().zip(&mut nanos) {
            let begun = Instant::now();
            count(runtime, subject, REQUESTS);
            nanos.push(of_each(begun.elapsed()));
        }
    }
    let median = |mut nanos: Vec<f64>| {
        nanos.sort_by(f64::total_cmp);
        *nanos.get(nanos.len() / 2).expect("rounds")
    };
    nanos.into_iter().map(median).collect()
}

fn of_each(took: Duration) -> f64 {
    took.as_nanos() as f64 / REQUESTS as f64
}

fn instructions(callgrind: &Callgrind, place: usize) -> Result<u64, Box<dyn Error>> {
    let counted = |requests: usize| {
        let args = [place.to_string(), requests.to_string()];
        callgrind.instructions("http_cache::count", &[&args[0], &args[1]])
    };
    let added = counted(MORE)?.saturating_sub(counted(FEW)?);
    Ok(added / (MORE - FEW) as u64)
}

// Callgrind counts inside of it, by this name.
#[inline(never)]
fn count(runtime: &Runtime, subject: &Subject, requests: usize) {
    runtime.block_on(subject.run(requests));
}
