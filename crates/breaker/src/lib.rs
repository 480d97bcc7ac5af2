//! Leaves a dependency alone while it fails.

#[cfg(feature = "http")]
mod answers;
mod backoff;
mod buckets;
mod budget;
mod circuit;
mod classify;
mod counters;
#[cfg(feature = "http")]
mod fallback;
mod fault;
mod future;
mod keyed;
mod layer;
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
mod verdict;
mod window;
mod word;

#[cfg(feature = "http")]
pub use self::answers::Responses;
pub use self::budget::RetryBudget;
pub use self::circuit::{Circuit, Transition};
pub use self::classify::{Classify, Errors};
#[cfg(feature = "http")]
pub use self::fallback::{Fallback, FallbackFuture, FallbackLayer};
pub use self::fault::{Fault, Faults};
pub use self::keyed::{Circuits, KeyedPermit};
#[cfg(feature = "retry")]
pub use self::retry::{Budgeted, RetryBudgetLayer};
pub use self::{backoff::Backoff, policy::Policy, probes::Probes, window::Window};
pub use self::{future::ResponseFuture, layer::BreakerLayer, service::Breaker};
pub use self::{permit::Permit, registry::Registry, verdict::Verdict, word::State};
