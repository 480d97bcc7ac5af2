mod circuits;
mod permit;
mod shard;
mod stats;
mod suspects;

pub use self::{circuits::Circuits, permit::KeyedPermit};
