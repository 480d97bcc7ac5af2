//! The example server as its users meet it: the real program, over real connections.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic, and one that measures prints"
)]

mod circuits;
mod client;
mod database;
mod hostile;
mod marketplace;
mod outage;
mod own_writes;
mod program;
mod queries;
mod secrets;
mod stack;
mod switches;
mod tenants;
mod tls;
