//! Instances that share limits through a real Redis, and what becomes of them without it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod bound;
mod faults;
mod layer;
mod processes;
mod support;
