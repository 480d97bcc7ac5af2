use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use towerblock_respond::Refused;

use crate::paging::Page;
use crate::reply::{SHARED, cacheable};
use crate::routes::plugins::with_link;
use crate::state::Shared;

/// The packages that all tenants share.
pub(crate) async fn list(
    State(state): State<Shared>,
    page: Page,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let packages = state.store.packages(page.window()).await?;
    let listing = page.listing(packages);
    let response = cacheable(&headers, SHARED, &listing)?;
    Ok(with_link(response, listing.link))
}
