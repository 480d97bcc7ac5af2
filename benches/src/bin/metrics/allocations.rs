//! How often counting a request allocates: the subjects of `metrics`, under an allocator that counts.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

mod subjects;

use towerblock_core::BoxError;
use towerblock_metrics::{Exporter, TenantBoard};

fn main() -> Result<(), BoxError> {
    let board = TenantBoard::default();
    let _page = Exporter::new().board(board.clone()).install()?;
    println!("| a request | allocations |");
    println!("|---|--:|");
    for subject in subjects::subjects(&board)? {
        let counted = |calls| allocation_counter::measure(|| (subject.run)(calls)).count_total;
        counted(1_000);
        let [few, more] = [1_000, 11_000].map(counted);
        println!(
            "| {} | {:.2} |",
            subject.name,
            (more as f64 - few as f64) / 1e4
        );
    }
    Ok(())
}
