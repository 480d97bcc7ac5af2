//! Limits how fast each tenant asks, by the rates of its plan, and counts what it has.
//!
//! ```
//! use std::convert::Infallible;
//! use std::num::{NonZeroU64, NonZeroUsize};
//!
//! use http::{Request, Response};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//! use towerblock_core::TenantId;
//! use towerblock_quota::{Ask, Name, Plan, Plans, Rate, RateLimitLayer, RateLimiter, RatePolicy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let two = Rate::per_second(NonZeroU64::new(2).unwrap());
//! let plans = Plans::new([Plan::new("free").rates([RatePolicy::new(Name::new("requests")?, two)])]);
//! let limiter = RateLimiter::new(NonZeroUsize::new(100_000).unwrap());
//!
//! let mut svc = ServiceBuilder::new()
//!     .layer(RateLimitLayer::new(limiter, move |req: &Request<()>| {
//!         // Whoever named the tenant knows its plan; here all have the same.
//!         Some(Ask::new(plans.get("free")?, req.extensions().get::<TenantId>()?))
//!     }))
//!     .service(service_fn(|_| async { Ok::<_, Infallible>(Response::new(())) }));
//!
//! let mut statuses = Vec::new();
//! for tenant in ["noisy", "noisy", "noisy", "quiet"] {
//!     let mut req = Request::new(());
//!     req.extensions_mut().insert(TenantId::new(tenant)?);
//!     statuses.push(svc.ready().await?.call(req).await?.status().as_u16());
//! }
//! assert_eq!(statuses, [200, 200, 429, 200]);
//! // Without a tenant nothing goes on.
//! assert_eq!(svc.ready().await?.call(Request::new(())).await?.status(), 404);
//! # Ok(())
//! # }
//! ```
//!
//! A [`Plan`] has up to eight [policies](RatePolicy), for the tenant, each user or each class of
//! routes. A request is charged to all of them or to none, and may [cost](Ask::cost) more than one
//! unit. [`Plans`] may be replaced at any time, and what was used stays used.
//!
//! What is counted rather than timed, such as users, bytes or calls in a month, is a [`Claim`] against a
//! [`Quota`] of the plan, in [`MemoryQuotas`] or, with the feature `postgres`, in `PostgresQuotas`.
//!
//! **Place it** inside the layer that names the tenant, and CORS outside of it. **What is held**
//! is a table of a fixed size. A key that has nothing outstanding may be forgotten, and no other is. **A
//! request is charged** when it is called, and stays charged if its future is dropped. **It does
//! not** wait, and shares no state between processes: there is no task and no timer. With the feature
//! `redis` a `FleetLimiter` does, and never waits for a Redis that is away.

mod ask;
mod body;
mod catalogue;
mod claim;
mod counters;
mod crossing;
mod decision;
mod error;
#[cfg(feature = "toml")]
mod file;
#[cfg(not(feature = "redis"))]
#[path = "no_fleet.rs"]
mod fleet;
#[cfg(feature = "redis")]
mod fleet;
mod future;
mod gate;
mod gcra;
mod headers;
mod layer;
mod ledger;
mod level;
mod limiter;
mod limits;
mod memory;
mod outcome;
mod period;
mod plan;
mod plans;
mod policy;
#[cfg(feature = "postgres")]
mod postgres;
mod quota;
mod rate;
mod refusal;
mod row;
mod service;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod window;

pub use self::catalogue::METRICS;
#[cfg(feature = "toml")]
pub use self::file::{InvalidPlans, plans_from_toml};
#[cfg(feature = "redis")]
pub use self::fleet::{Fleet, FleetLimiter, InvalidNamespace};
#[cfg(all(feature = "postgres", feature = "toml"))]
pub use self::postgres::PostgresPlans;
#[cfg(feature = "postgres")]
pub use self::postgres::PostgresQuotas;
pub use self::{
    ask::{Ask, Identify},
    decision::{Decision, Source},
    headers::Headers,
    limiter::RateLimiter,
};
pub use self::{
    body::LimitedBody, future::ResponseFuture, layer::RateLimitLayer, service::RateLimit,
};
pub use self::{
    claim::{Claim, Usage},
    crossing::{Crossed, Crossings},
    error::QuotaError,
    memory::MemoryQuotas,
    period::{Anchor, Period},
    quota::Quota,
};
pub use self::{
    plan::Plan,
    plans::{PlanSource, Plans},
    policy::{InvalidName, Name, RatePolicy, Scope},
    rate::Rate,
};

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
