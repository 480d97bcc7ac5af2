//! What all instances have used together, in Redis.

mod counters;
mod debts;
mod keeper;
mod limiter;
mod named;
mod script;
mod settings;
mod shared;
mod slots;
#[cfg(test)]
mod tests;
mod trip;

pub(crate) use self::counters::METRICS;
pub use self::limiter::FleetLimiter;
pub(crate) use self::named::Named;
pub use self::settings::{Fleet, InvalidNamespace};
