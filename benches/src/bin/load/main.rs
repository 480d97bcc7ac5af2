//! The example server under load: what it answers, how fast, and what happens to it when
//! something else dies.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks through them"
)]

mod client;
mod generator;
mod marketplace;
mod mix;
mod plot;
mod recording;
mod report;
mod scenarios;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::marketplace::Outcome;

/// Runs a scenario against the example server, with the load beside it.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Args {
    scenario: Scenario,

    /// Seconds that each measurement lasts.
    #[arg(long, default_value = "10", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,

    /// Put tables and plots into docs/.
    #[arg(long)]
    write: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scenario {
    /// The figures of the scaling plans, on one machine.
    Documented,
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
    let plan = Plan {
        time: Duration::from_secs(args.seconds),
        writes: args.write,
    };
    marketplace::build()?;
    match args.scenario {
        Scenario::Documented => scenarios::documented::run(plan).await,
        Scenario::NoisyNeighbour => scenarios::noisy_neighbour::run(plan).await,
        Scenario::RedisOutage => scenarios::redis_outage::run(plan).await,
        Scenario::DatabaseOutage => scenarios::database_outage::run(plan).await,
        Scenario::RollingRestart => scenarios::rolling_restart::run(plan).await,
        Scenario::Instances => scenarios::instances::run(plan).await,
    }
}
