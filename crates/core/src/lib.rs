//! The vocabulary the Towerblock crates share: who is asking, why we said no, how a
//! client hears of it, and how a crate's numbers are read.
//!
//! ```
//! use std::time::Duration;
//!
//! use towerblock_core::{Reason, Rejected};
//!
//! let rejected = Rejected::new("limiter", Reason::RateLimited)
//!     .with_retry_after(Duration::from_millis(1_200));
//! let response = rejected.response::<String>();
//! assert_eq!(response.status(), 429);
//! assert_eq!(response.headers()["retry-after"], "2");
//! assert_eq!(response.headers()["content-type"], "application/problem+json");
//! ```
//!
//! Nothing here decides anything. A type belongs in this crate only when it stands
//! in the public signatures of three others.

mod degraded;
mod problem;
mod reason;
mod rejected;
mod stats;
mod tenant;

pub use self::degraded::Degraded;
pub use self::problem::ProblemBody;
pub use self::reason::Reason;
pub use self::rejected::Rejected;
pub use self::stats::{Kind, Metric, Stats, Value};
pub use self::tenant::{HasTenant, InvalidTenantId, TenantId};

/// A type-erased error, the same type as `tower::BoxError`.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
