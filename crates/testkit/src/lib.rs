//! Real servers for tests.

mod account;
mod error;
mod port;
mod postgres;
mod process;
mod programs;
mod supervisor;
mod tls;

pub use self::{
    error::Error,
    postgres::{Postgres, PostgresBuilder, Server},
};
mod laws;
mod polls;
mod proxy;
pub use self::{
    laws::{Strict, obeys_the_service_contract, shares_state_across_routes},
    polls::{at_every_poll, poll_times},
    proxy::{Direction, Proxy},
};
