//! What a hit costs beside moka's and quick_cache's, what a stampede costs, and whose entries a
//! tenant that scans pushes out.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

mod hits;
mod room;
mod support;

use std::env;
use std::process::Command;

use tokio::runtime::Builder;
use towerblock_core::BoxError;

fn main() -> Result<(), BoxError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()?;
    let _entered = runtime.enter();
    if let Some(subject) = env::args().nth(1) {
        return room::fill(&subject);
    }
    hits::print()?;
    let took = runtime.block_on(hits::stampede())?;
    println!("\n10,000 waiters, one load: all answered {took:.1?} after it ended");

    println!("\n| | quiet alone | beside a scan of 10 × | of alone | Zipf, one tenant |");
    println!("|---|--:|--:|--:|--:|");
    for name in ["bare moka", "`Cache`"] {
        let ratio = |noise| runtime.block_on(room::beside(name, noise));
        let (alone, noisy) = (ratio(0)?, ratio(10)?);
        let zipf = runtime.block_on(room::zipf(name))?;
        println!(
            "| {name} | {:.1} % | {:.1} % | {:.1} % | {:.2} % |",
            100.0 * alone,
            100.0 * noisy,
            100.0 * noisy / alone,
            100.0 * zipf,
        );
    }

    println!("\n| 1,000,000 entries | bytes each |\n|---|--:|");
    for name in ["moka", "ours"] {
        let out = Command::new(env::current_exe()?).arg(name).output()?;
        print!("{}", String::from_utf8(out.stdout)?);
    }
    Ok(())
}
