//! The fleet's view of requests: no tenant stands in it.

mod body;
mod exchange;
mod future;
mod layer;
mod method;
mod routes;
pub(crate) mod series;
mod service;

pub use self::body::MeteredBody;
pub use self::future::HttpMetricsFuture;
pub use self::layer::HttpMetricsLayer;
pub use self::service::HttpMetrics;
