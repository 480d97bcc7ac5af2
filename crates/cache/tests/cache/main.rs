//! What a user relies on, through the public API. Time is paused; a coarse clock ticks within it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

mod fairness;
mod flight;
mod invalidation;
mod model;
mod stale;
mod support;
mod traits;
mod values;
