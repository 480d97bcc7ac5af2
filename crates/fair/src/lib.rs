//! A bounded resource shared among tenants: connections, places in a queue, work in flight.
//! One tenant's flood waits behind itself.
//!
//! ```
//! use std::num::NonZeroUsize;
//!
//! use towerblock_core::{Reason, TenantId};
//! use towerblock_fair::FairSemaphore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let slots = FairSemaphore::new(NonZeroUsize::MIN).queue(2, 100);
//! let (noisy, quiet) = (TenantId::new("noisy")?, TenantId::new("quiet")?);
//!
//! let held = slots.acquire(&noisy).await?;
//! let first = slots.acquire(&noisy);
//! let second = slots.acquire(&noisy);
//! // Comes last, and yet is not behind all that the other has waiting.
//! let third = slots.acquire(&quiet);
//! // No third place in the queue for one tenant.
//! let refused = slots.acquire(&noisy).await.unwrap_err();
//! assert_eq!(refused.reason(), Reason::OverShare);
//!
//! drop(held);
//! drop(first.await?);
//! drop(third.await?);
//! drop(second.await?);
//! # Ok(())
//! # }
//! ```
//!
//! [`FairSemaphore`] waits: first come, first served within a tenant, and in turns, weighted
//! by [`Share`], between tenants. [`FairLimit`] does not wait: below a soft limit it admits
//! everyone, and above it a tenant up to its share.
//!
//! **A slot is held** until its guard is dropped. The guards are `Send` and `'static`: they may
//! be put into a connection, a response body, or another task.
//!
//! **It remembers** a tenant only while that one waits or, where that must be counted, holds
//! slots. So memory is bounded by the slots and the queue, not by the number of tenants.

mod acquire;
mod admission;
mod arena;
mod catalogue;
mod holders;
mod limit;
mod list;
mod pace;
mod portions;
mod seats;
mod semaphore;
mod share;
mod shared;
mod slot;
mod sync;
mod tenants;
#[cfg(test)]
mod tests;
mod turns;
mod wakes;

pub use self::catalogue::METRICS;
pub use self::{
    acquire::Acquire, admission::Admission, limit::FairLimit, semaphore::FairSemaphore,
    share::Share, slot::Slot,
};

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
