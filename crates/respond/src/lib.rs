//! The edge of a stack: what the layers below refuse becomes a response, and any
//! other error a 500 that tells nothing and is logged once.
//!
//! ```
//! use std::convert::Infallible;
//! use std::time::Duration;
//!
//! use http::{Request, Response};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//! use towerblock_core::{BoxError, Reason, Rejected};
//! use towerblock_respond::RespondLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Infallible> {
//! let mut svc = ServiceBuilder::new()
//!     .layer(RespondLayer::new())
//!     .service(service_fn(|req: Request<()>| async move {
//!         if req.uri().path() == "/busy" {
//!             let busy = Rejected::new("limiter", Reason::RateLimited);
//!             return Err::<_, BoxError>(busy.with_retry_after(Duration::from_secs(3)).into());
//!         }
//!         Ok(Response::new("ok".to_owned()))
//!     }));
//!
//! let served = svc.ready().await?.call(Request::new(())).await?;
//! assert_eq!(served.status(), 200);
//!
//! let busy = Request::get("/busy").body(()).unwrap();
//! let refused = svc.ready().await?.call(busy).await?;
//! assert_eq!(refused.status(), 429);
//! assert_eq!(refused.headers()["retry-after"], "3");
//! # Ok(())
//! # }
//! ```
//!
//! **Place it** outside every layer that refuses with an error, and inside tracing: the
//! event of a 500 stands in the span of its request, which carries the request id.
//! **Its error is `Infallible`**, so `axum::Router::layer` takes a stack that it ends.
//! **It holds nothing**, and **it does not catch panics**.
//!
//! The feature `axum` adds `Refused`, the error type of a handler: `?` on any error is
//! answered by the same table.

mod answer;
mod future;
mod layer;
#[cfg(feature = "axum")]
mod refused;
mod service;

#[cfg(feature = "axum")]
pub use self::refused::Refused;
pub use self::{future::ResponseFuture, layer::RespondLayer, service::Respond};

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
