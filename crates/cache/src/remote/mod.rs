//! The level that instances share through Redis.

mod follow;
mod level;
mod link;
mod message;
mod names;
mod owed;
mod payload;
mod scripts;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use self::follow::follow;
pub(crate) use self::link::{Leave, Link, Parcel};
pub use self::settings::{InvalidNamespace, Remote};
