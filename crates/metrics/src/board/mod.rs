//! The tenant's view of requests, at a cost that no number of tenants raises.

mod exposure;
mod future;
mod layer;
mod ledger;
mod ranking;
mod refusals;
mod report;
mod series;
mod service;
mod sketch;
mod slot;
mod tenant_board;
pub(crate) mod told;
mod tracked;
mod visit;

pub use self::exposure::Exposure;
pub use self::future::TenantBoardFuture;
pub use self::layer::TenantBoardLayer;
pub use self::report::{By, TenantReport};
pub use self::service::OnTenantBoard;
pub use self::tenant_board::TenantBoard;
