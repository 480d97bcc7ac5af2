//! Instances that share what they cache through a real Redis, and what becomes of them without
//! it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod outage;
mod shared;
mod support;
