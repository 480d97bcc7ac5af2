mod circuits;
mod permit;
mod shard;
mod stats;
mod suspects;

pub(crate) use self::stats::METRICS;
pub use self::{circuits::Circuits, permit::KeyedPermit};
