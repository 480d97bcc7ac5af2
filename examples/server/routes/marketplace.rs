use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use towerblock_page::PageRequest;
use towerblock_postgres::Scope;
use towerblock_respond::Refused;
use towerblock_tenant::CurrentTenant;

use crate::answer::Answer;
use crate::state::Shared;
use crate::store::NEWEST;

/// The packages that all tenants share. Nobody writes them here, so what is kept is as good
/// for who wrote something else a moment ago.
pub(crate) async fn list(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    page: PageRequest,
) -> Result<Response, Refused> {
    let page = page.shared().seek(&NEWEST)?;
    let page = state.store.packages(&tenant, &scope, &page).await?;
    Ok(Answer::page(&page)?.whole())
}
