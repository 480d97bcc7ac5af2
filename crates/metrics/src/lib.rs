//! What a service did, counted: for the fleet by route, for each tenant on a board, and for
//! Prometheus on a page. No request can make a series that was not foreseen.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{Request, Response, StatusCode};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//! use towerblock_core::TenantId;
//! use towerblock_metrics::{By, Exporter, HttpMetricsLayer, TenantBoard, TenantBoardLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let board = TenantBoard::default();
//! // `install` instead of `start` makes it the recorder of the process.
//! let page = Exporter::new().board(board.clone()).start()?;
//! let _upkeep = page.upkeep();
//! let mut svc = ServiceBuilder::new()
//!     .layer(HttpMetricsLayer::new().recorder(page.recorder()))
//!     .layer(TenantBoardLayer::new(board.clone()))
//!     .service(service_fn(|req: Request<String>| async move {
//!         let mut response = Response::new(String::new());
//!         if req.uri().path() == "/broken" {
//!             *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
//!         }
//!         Ok::<_, Infallible>(response)
//!     }));
//!
//! for (tenant, path) in [("acme", "/"), ("globex", "/"), ("globex", "/broken")] {
//!     let mut req = Request::get(path).body(String::new())?;
//!     req.extensions_mut().insert(TenantId::new(tenant)?);
//!     svc.ready().await?.call(req).await?;
//! }
//! let text = page.render();
//! assert!(text.contains(
//!     r#"http_requests_total{method="GET",route="__unmatched__",status="500"} 1"#
//! ));
//! assert!(text.contains("tenant_board_requests_total 3"));
//! let worst = board.worst(By::Errors, 10);
//! assert_eq!((worst[0].tenant.as_str(), worst[0].errors), ("globex", 1));
//! # Ok(())
//! # }
//! ```
//!
//! **Place [`HttpMetricsLayer`]** outside of everything that refuses: it counts every outcome,
//! also that the client went away, by method, matched route and status, and no tenant. **Place
//! [`TenantBoardLayer`]** below the layer that names the tenant. A tenant becomes a label only
//! while it is among the [exposed](Exposure); the others are `__other__`, and requests
//! of none `__none__`.
//!
//! **It holds**, for each method and route, some 3 kB for ever; for each tenant some 1.3 kB, up
//! to a number that is given. A request holds a place in the series until its body has
//! ended or is dropped, and allocates nothing. **It does not** export traces, or
//! share its numbers between processes: that is what Prometheus does.

mod board;
mod catalogue;
mod clock;
mod facade;
mod first_come;
mod http;
mod page;
mod sync;

pub use self::board::{
    By, Exposure, OnTenantBoard, TenantBoard, TenantBoardFuture, TenantBoardLayer, TenantReport,
};
pub use self::catalogue::{HTTP_METRICS, METRICS};
pub use self::http::{HttpMetrics, HttpMetricsFuture, HttpMetricsLayer, MeteredBody};
pub use self::page::{ExportError, Exporter, Exposition, Process, Upkeep, name_of, publish};

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
