//! Leaves a dependency alone while it fails, tries it again with a few calls, and never stays
//! half-open for ever.
//!
//! ```
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//! use towerblock_breaker::{BreakerLayer, Circuit, Policy, State};
//! use towerblock_core::{BoxError, Reason, Rejected};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let billing = Circuit::new("billing", Policy::in_a_row(2));
//! let mut svc = ServiceBuilder::new()
//!     .layer(BreakerLayer::new(billing.clone()))
//!     .service(service_fn(|works: bool| async move {
//!         if works { Ok("paid") } else { Err::<_, BoxError>("no answer".into()) }
//!     }));
//!
//! assert_eq!(svc.ready().await?.call(true).await?, "paid");
//! for _ in 0..2 {
//!     assert!(svc.ready().await?.call(false).await.is_err());
//! }
//! let refused = svc.ready().await?.call(true).await.unwrap_err();
//! let reason = refused.downcast_ref().map(Rejected::reason);
//! assert_eq!(reason, Some(Reason::CircuitOpen));
//! assert_eq!(billing.state(), State::Open);
//! # Ok(())
//! # }
//! ```
//!
//! Without tower, [`Circuit::try_acquire`] gives a [`Permit`] for one call; [`Circuits`] has a
//! circuit for each tenant, and stores none for those that are well.
//!
//! **Place it** inside what retries and outside the timeout of a single attempt; `RespondLayer`
//! further out answers a refusal. **A permit is held** until the response is there, the call is
//! dropped, or it panics: each is an outcome. **It does not** wait, share its state between
//! processes, or look at streamed bodies. There is no task and no timer behind it.

#[cfg(feature = "http")]
mod answers;
mod backoff;
mod buckets;
mod budget;
mod catalogue;
mod circuit;
mod classify;
mod counters;
#[cfg(feature = "http")]
mod fallback;
mod fault;
mod future;
mod keyed;
mod layer;
mod mark;
mod outcome;
mod permit;
mod policy;
#[cfg(feature = "postgres")]
mod postgres;
mod probes;
mod registry;
#[cfg(feature = "retry")]
mod retry;
mod ring;
mod service;
mod switch;
mod sync;
mod tagged;
#[cfg(test)]
mod tests;
mod transition;
mod verdict;
mod window;
mod word;

#[cfg(feature = "http")]
pub use self::answers::Responses;
pub use self::budget::RetryBudget;
pub use self::catalogue::METRICS;
pub use self::circuit::Circuit;
pub use self::classify::{Classify, Errors};
#[cfg(feature = "http")]
pub use self::fallback::{Fallback, FallbackFuture, FallbackLayer};
pub use self::fault::{Fault, Faults};
pub use self::keyed::{Circuits, KeyedPermit};
#[cfg(feature = "retry")]
pub use self::retry::{Budgeted, RetryBudgetLayer};
pub use self::{backoff::Backoff, policy::Policy, probes::Probes, window::Window};
pub use self::{future::ResponseFuture, layer::BreakerLayer, service::Breaker};
pub use self::{permit::Permit, registry::Registry, verdict::Verdict};
pub use self::{transition::Transition, word::State};

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
