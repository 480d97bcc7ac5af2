//! A service that starts, says how it is, drains and stops in order, each within a deadline.
//!
//! ```
//! use std::time::Duration;
//!
//! use axum::{Router, routing::get};
//! use tokio::net::TcpListener;
//! use towerblock_lifecycle::{Check, Deadlines, Health, Lifecycle};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! // Nothing balances in this example.
//! let lifecycle = Lifecycle::new(Deadlines::default().drain(Duration::ZERO));
//! lifecycle.stop_on_signals()?;
//! lifecycle.on_close("the pool", Duration::from_secs(2), || async { /* pool.close().await */ });
//!
//! let health = Health::start(&lifecycle, [
//!     Check::critical("database", || async { Ok(()) }),
//!     Check::degraded("circuit:search", || async { Err("the circuit is open".into()) }),
//! ]);
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .route_service("/livez", health.livez())
//!     .route_service("/readyz", health.readyz())
//!     .route_service("/health", health.report());
//!
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! lifecycle.ready();
//! # lifecycle.stop();
//! let ending = lifecycle.run(lifecycle.serve(listener, app)).await;
//! assert!(ending.is_clean());
//! # Ok(())
//! # }
//! ```
//!
//! **Stopping** goes through the [`Phase`]s, each with its [deadline](Deadlines): readiness fails first, while
//! connections are still accepted; then the listener is closed and clients are told to go; what is in
//! flight may end, and is cut off when the grace is over; the [close hooks](Lifecycle::on_close) run last. A second
//! signal cuts off what is in flight, a third the hooks. Whatever lives long waits for
//! [`Lifecycle::until`].
//!
//! **Health** is asked for in the background, and read by [`Probe`]s and the [`Report`]. **[`InFlightLayer`]**
//! counts requests where another server than [`Lifecycle::serve`] accepts them. **It does not** speak TLS, hand a
//! listener to a successor, or restart anything.

mod body;
mod catalogue;
mod course;
mod deadlines;
mod ending;
mod flight;
mod future;
mod health;
mod hooks;
mod layer;
mod lifecycle;
mod phase;
mod run;
mod serve;
mod service;
mod signals;
mod stats;
#[cfg(test)]
mod tests;

pub use self::catalogue::METRICS;
pub use self::ending::{Ending, Fault};
pub use self::health::{Check, Health, Probe, Report};
pub use self::serve::{Peer, RequestBody, Timeouts};
pub use self::{
    body::InFlightBody, future::ResponseFuture, layer::InFlightLayer, service::InFlight,
};
pub use self::{deadlines::Deadlines, flight::Hold, lifecycle::Lifecycle, phase::Phase};

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
