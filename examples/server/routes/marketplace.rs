use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use towerblock_page::PageRequest;
use towerblock_postgres::Scope;
use towerblock_respond::Refused;
use towerblock_tenant::CurrentTenant;

use crate::answer::{Answer, Served};
use crate::caches::{of_load, of_page};
use crate::reply::missing;
use crate::state::Shared;
use crate::store::NEWEST;

pub(super) const PATH: &str = "/api/v1/marketplace";

/// The packages that all tenants share. Nobody writes them here, so what is kept is as good
/// for who wrote something else a moment ago.
pub(crate) async fn list(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    page: PageRequest,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let page = page.shared().seek(&NEWEST)?;
    let fetch = {
        let state = Shared::clone(&state);
        move |scope: Scope| async move {
            let page = state.store.packages(&tenant, &scope, &page).await?;
            Answer::page(&page)
        }
    };
    let Some(key) = of_page(&uri) else {
        return Served::Asked(fetch(scope).await?).shared(&headers);
    };
    let load = move || fetch(of_load());
    let hit = state.caches.marketplace.get_or_load(&key, load).await?;
    let hit = hit.ok_or_else(|| missing("no such page"))?;
    Served::Kept(hit).shared(&headers)
}

/// What may stand for an answer of [`list`]: what is in memory, whoever asked for it first.
pub(crate) fn stand_in(state: &Shared, req: &Request) -> Option<Response> {
    if req.uri().path() != PATH {
        return None;
    }
    let hit = state.caches.marketplace.peek(&of_page(req.uri())?)?;
    Served::stand_in(&hit, req.headers())
}
