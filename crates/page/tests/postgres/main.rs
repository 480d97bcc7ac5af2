//! Pages of rows in a real PostgreSQL.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod browser;
mod database;
mod depth;
mod faults;
mod nulls;
mod oracle;
mod query;
mod values;
mod writes;
