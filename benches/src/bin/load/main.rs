//! The example server under load: what it answers, how fast, and what happens to it when
//! something else dies.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks through them"
)]

mod bars;
mod client;
mod contest;
mod generator;
mod hammer;
mod marketplace;
mod mix;
mod plot;
mod processor;
mod question;
mod recording;
mod report;
mod scenarios;
mod warm;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::marketplace::Outcome;

/// Runs a scenario against the example server, with the load beside it.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Args {
    scenario: Scenario,

    /// Seconds that each measurement lasts. Default: 3 where servers take turns, else 10.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: Option<u64>,

    /// Put tables and plots into docs/.
    #[arg(long)]
    write: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scenario {
    /// The figures of the scaling plans, on one machine.
    Documented,
    /// What a request costs, beside bare axum and beside what one would assemble today.
    Overhead,
    /// A thousand tenants, and up to a million: what a request costs, and memory.
    Growth,
    /// One tenant at a hundred times its share.
    NoisyNeighbour,
    /// Redis killed, hung, cut off.
    RedisOutage,
    /// The standby, the primary, both.
    DatabaseOutage,
    /// Two servers behind nginx, replaced one after the other.
    RollingRestart,
    /// Three servers behind nginx on one PostgreSQL and one Redis.
    Instances,
}

/// What every scenario is told.
#[derive(Clone, Copy, Debug)]
struct Plan {
    time: Duration,
    writes: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Outcome<()> {
    let takes_turns = matches!(args.scenario, Scenario::Overhead | Scenario::Growth);
    let seconds = if takes_turns { 3 } else { 10 };
    let plan = Plan {
        time: Duration::from_secs(args.seconds.unwrap_or(seconds)),
        writes: args.write,
    };
    if !takes_turns {
        marketplace::build(&["-p", "towerblock-examples", "--example", "server"])?;
    }
    match args.scenario {
        Scenario::Documented => scenarios::documented::run(plan).await,
        Scenario::Overhead => scenarios::overhead::run(plan).await,
        Scenario::Growth => scenarios::growth::run(plan).await,
        Scenario::NoisyNeighbour => scenarios::noisy_neighbour::run(plan).await,
        Scenario::RedisOutage => scenarios::redis_outage::run(plan).await,
        Scenario::DatabaseOutage => scenarios::database_outage::run(plan).await,
        Scenario::RollingRestart => scenarios::rolling_restart::run(plan).await,
        Scenario::Instances => scenarios::instances::run(plan).await,
    }
}
