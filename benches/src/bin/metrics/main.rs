//! What it costs to count requests, for the fleet and for each tenant, beside axum-prometheus and the
//! `metrics` macros; and what a page of 10,000 tenants costs.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

mod board;
mod count;
mod subjects;

use tokio::time::Instant;
use towerblock_core::BoxError;
use towerblock_metrics::{Exporter, Exposition, TenantBoard};

use crate::subjects::{Subject, subjects};

fn main() -> Result<(), BoxError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let board = TenantBoard::default();
    if let [place, calls] = args.as_slice() {
        // What callgrind runs.
        let page = Exporter::new().board(board.clone()).install()?;
        return count::run(&subjects(&board)?, &page, place.parse()?, calls.parse()?);
    }
    board::table()?;
    let page = Exporter::new().board(board.clone()).install()?;
    let subjects = subjects(&board)?;
    let nanos = medians(&subjects, &page);
    let instructions = count::instructions(subjects.len())?;
    println!("\n| a request | time | more than bare | instructions | more than bare |");
    println!("|---|--:|--:|--:|--:|");
    let (bare, fewest) = (nanos.first(), instructions.first());
    let (bare, fewest) = (bare.expect("bare is first"), fewest.expect("bare is first"));
    for ((subject, nanos), count) in subjects.iter().zip(&nanos).zip(&instructions) {
        let (more, many) = (nanos - bare, count - fewest);
        let name = subject.name;
        println!("| {name} | {nanos:.0} ns | +{more:.0} ns | {count} | +{many} |");
    }
    Ok(())
}

/// Nanoseconds for each: medians of rounds in which all had their turn.
fn medians(subjects: &[Subject], page: &Exposition) -> Vec<f64> {
    const TIMES: usize = 1_000;
    let mut nanos = vec![Vec::new(); subjects.len()];
    for _ in 0..501 {
        for (subject, nanos) in subjects.iter().zip(&mut nanos) {
            let since = Instant::now();
            (subject.run)(TIMES);
            nanos.push(since.elapsed().as_secs_f64() * 1e9 / TIMES as f64);
        }
        // Samples pile up until somebody counts them.
        let _counted = page.render();
    }
    nanos.into_iter().map(middle).collect()
}

fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    *numbers.get(numbers.len() / 2).expect("there are rounds")
}
