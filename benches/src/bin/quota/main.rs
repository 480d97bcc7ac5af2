//! What a rate limit costs, beside governor and tower-rate-tier: one key, many keys, three levels,
//! and the layer.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

mod count;
mod layer;
mod measure;
mod peers;
mod subjects;

use towerblock_core::BoxError;

fn main() -> Result<(), BoxError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [subject, calls] = args.as_slice() {
        // What callgrind runs.
        return count::run(subject, calls.parse()?);
    }
    measure::compare("a decision, hot or of 10,000 keys", &subjects::few()?, 201);
    measure::compare("a decision, of 1,000,000 keys", &subjects::many()?, 101);
    measure::compare("a request through", &layer::services()?, 201);
    count::table()?;
    memory()
}

/// What a million keys take, all of them in use.
fn memory() -> Result<(), BoxError> {
    println!("\n| a million keys | capacity | bytes per key | without a place |");
    println!("|---|--:|--:|--:|");
    for capacity in [1_200_000, 1_500_000, 1_900_000, 3_000_000] {
        let (bytes, crowded) = subjects::full_of_a_million(capacity)?;
        println!("| ours | {capacity} | {bytes:.1} | {crowded:.3} % |");
    }
    Ok(())
}
