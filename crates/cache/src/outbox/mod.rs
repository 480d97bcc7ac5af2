//! Invalidations that are written down in the writer's transaction.

mod desk;
mod error;
mod pace;
mod relay;
mod rounds;
mod table;
mod write;

pub(crate) use self::desk::Desk;
pub use self::error::OutboxError;
pub(crate) use self::relay::METRICS;
pub use self::relay::Relay;
pub use self::table::Outbox;
