//! The layer, through its public interface.
#![expect(clippy::unwrap_used, reason = "what goes wrong here should panic")]

mod collapse;
mod keys;
mod leaks;
#[cfg(feature = "redis")]
mod remote;
mod rules;
mod stale;
mod support;
mod traits;
mod variants;
mod writes;
