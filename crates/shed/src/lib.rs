//! Bounds the work in flight, and where it is too much refuses whoever holds most of it.
//!
//! ```
//! use std::num::NonZeroUsize;
//!
//! use http::Request;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//! use towerblock_core::{BoxError, Reason, Rejected, TenantId};
//! use towerblock_shed::{Limit, ShedLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let ten = NonZeroUsize::new(10).unwrap();
//! let mut svc = ServiceBuilder::new()
//!     .layer(ShedLayer::new(Limit::fixed(ten)))
//!     .service(service_fn(|_: Request<()>| async { Ok::<_, BoxError>("served") }));
//!
//! let mut call = async |tenant: &str| {
//!     let mut req = Request::new(());
//!     req.extensions_mut().insert(TenantId::new(tenant)?);
//!     // In flight until it is awaited or dropped.
//!     Ok::<_, BoxError>(svc.ready().await?.call(req))
//! };
//! let mut flood = Vec::new();
//! for _ in 0..8 {
//!     flood.push(call("noisy").await?);
//! }
//! let refused = call("noisy").await?.await.unwrap_err();
//! let reason = refused.downcast_ref().map(Rejected::reason);
//! assert_eq!(reason, Some(Reason::OverShare));
//! assert_eq!(call("quiet").await?.await?, "served");
//! # Ok(())
//! # }
//! ```
//!
//! [`ShedLayer`] has a limit for all, fixed or [adaptive](Adaptive), shares it among tenants once
//! it becomes scarce, and knows [classes](Class) of requests. [`BulkheadLayer`] gives each
//! tenant so many slots, and no more.
//!
//! **Place it** inside the layer that names the tenant and outside anything slow; `RespondLayer`
//! further out answers a refusal. **A slot is held** from `call` until the answer is there or the
//! future is dropped; with `until_body_end`, until the body has ended. **It does not** wait, end
//! work that has begun, or share its state between processes. There is no task and no timer.

mod alarm;
mod body;
mod bulkhead;
mod catalogue;
mod class;
mod counters;
mod future;
mod gate;
mod gradient;
mod hold;
mod layer;
mod limit;
mod meter;
mod permit;
mod service;
#[cfg(test)]
mod tests;
mod window;

pub use self::bulkhead::{Bulkhead, BulkheadLayer};
pub use self::catalogue::METRICS;
pub use self::hold::{Hold, HoldFuture, HoldLayer};
pub use self::{body::ShedBody, future::ResponseFuture};
pub use self::{
    class::{Class, Classify, Unclassed},
    limit::{Adaptive, Limit},
};
pub use self::{layer::ShedLayer, service::Shed};

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
