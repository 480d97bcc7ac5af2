//! Invalidations that are part of a transaction, on real servers: whatever is committed is
//! forgotten by all, whoever dies, hangs or is late.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod commits;
mod crash;
mod faults;
mod support;
