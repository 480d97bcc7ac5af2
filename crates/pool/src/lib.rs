//! Connections that tenants share, each in its turn: one tenant's flood waits behind itself.
//!
//! [bb8](https://docs.rs/bb8) is the engine below, and any of its managers fits. By itself it
//! lets those who wait race for each connection, so that under load some get thousands and
//! some get none; it never closes a connection that hangs, and it says "timed out" whatever
//! the reason was. Here it keeps idle connections, and nothing else.
//!
//! ```
//! use std::num::NonZeroUsize;
//!
//! use towerblock_core::{Reason, TenantId};
//! use towerblock_fair::FairSemaphore;
//! use towerblock_pool::{Pool, Settings};
//!
//! # struct Echo;
//! # impl bb8::ManageConnection for Echo {
//! #     type Connection = ();
//! #     type Error = std::convert::Infallible;
//! #     async fn connect(&self) -> Result<(), Self::Error> { Ok(()) }
//! #     async fn is_valid(&self, _: &mut ()) -> Result<(), Self::Error> { Ok(()) }
//! #     fn has_broken(&self, _: &mut ()) -> bool { false }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let manager = Echo;
//! let two = NonZeroUsize::new(2).unwrap();
//! // Nobody may have more than three waiting.
//! let slots = FairSemaphore::new(two).queue(3, 1_000);
//! let pool = Pool::start(manager, two, slots, Settings::default());
//!
//! let (acme, globex) = (TenantId::new("acme")?, TenantId::new("globex")?);
//! let first = pool.get(&acme).await?;
//! let second = pool.get(&acme).await?;
//! // All are out: the error tells who has them.
//! let error = pool.get(&globex).await.unwrap_err();
//! assert!(error.to_string().contains("acme holds 2"));
//! assert_eq!(error.rejected().reason(), Reason::Overloaded);
//!
//! drop(first);
//! assert!(pool.get(&globex).await.is_ok());
//! # drop(second);
//! # Ok(())
//! # }
//! ```
//!
//! **Who waits** is served first come, first served within a tenant, and in turns between
//! tenants, with the weights, caps, reserves and queues of the [`FairSemaphore`] it is given.
//! **A connection is held** until its guard is dropped. **A caller that leaves** leaves
//! nothing behind: not a place in the queue, not a slot, not a connection that is being tested.
//!
//! **It opens** connections only for those who wait, two at a time, so a burst that a few can
//! serve opens few. **It tests** a connection that was idle for 500 ms, for 200 ms at most, and
//! closes it if it does not pass. Once an attempt has failed and there is no connection, it
//! says so at once, and tries again each second. The task that does all this runs where the
//! pool was started, and ends with that runtime.
//!
//! **It does not** know what goes over a connection: one that is given back with an answer
//! outstanding, a transaction open or a setting changed is for the manager's `has_broken` to
//! tell. It retries nothing, and holds no connection for a tenant.
//!
//! [`FairSemaphore`]: towerblock_fair::FairSemaphore

mod aging;
mod catalogue;
mod connect;
mod engine;
mod error;
mod growth;
mod holder;
mod kept;
mod live;
mod parts;
mod pool;
mod pooled;
mod settings;
mod stats;

pub use bb8;

pub use self::aging::{Aging, Validation};
pub use self::catalogue::METRICS;
pub use self::connect::Connects;
pub use self::error::PoolError;
pub use self::holder::Held;
pub use self::pool::Pool;
pub use self::pooled::Pooled;
pub use self::settings::Settings;
pub use self::stats::Status;

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
