//! The example server as its users meet it: the real program, over real connections.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic, and one that measures prints"
)]

mod caching;
mod circuits;
mod client;
mod database;
mod embedded;
mod endings;
mod hostile;
mod killed;
mod limits;
mod load;
mod marketplace;
mod metrics;
mod operators;
mod outage;
mod own_writes;
mod plans;
mod program;
mod queries;
mod quotas;
mod redis_outage;
mod rolling;
mod scraped;
mod secrets;
mod sharing;
mod stack;
mod switches;
mod tenants;
mod tls;
mod tracing;
