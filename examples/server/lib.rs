//! The example server, without its `main`: a small multi-tenant plugin marketplace.

mod answer;
mod caches;
mod caller;
mod circuits;
mod closing;
mod config;
mod demo;
mod limits;
mod memory;
mod observed;
mod postgres;
mod reply;
mod routes;
mod secrets;
mod stack;
mod start;
mod state;
mod store;
mod trace;
mod writes;

pub use self::config::{Config, Database, Secret};
pub use self::secrets::SecretKey;
pub use self::start::{around, in_memory, run};
