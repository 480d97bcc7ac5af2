use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use towerblock_page::PageRequest;
use towerblock_postgres::Scope;
use towerblock_respond::Refused;
use towerblock_tenant::CurrentTenant;

use crate::reply::{SHARED, listing};
use crate::state::Shared;
use crate::store::NEWEST;

/// The packages that all tenants share.
pub(crate) async fn list(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    page: PageRequest,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let page = page.shared().seek(&NEWEST)?;
    let packages = state.store.packages(&tenant, &scope, &page).await?;
    listing(&headers, SHARED, &packages)
}
