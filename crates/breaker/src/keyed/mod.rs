mod circuits;
mod permit;
mod shard;
mod stats;

pub use self::{circuits::Circuits, permit::KeyedPermit};
