use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use towerblock_page::PageRequest;
use towerblock_postgres::Scope;
use towerblock_respond::Refused;
use towerblock_tenant::CurrentTenant;

use crate::reply::{Id, PRIVATE, Sent, cacheable, invalid, listing, missing};
use crate::state::Shared;
use crate::store::{Draft, NEWEST};

const NO_PLUGIN: &str = "no such plugin";

pub(crate) async fn list(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    page: PageRequest,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    newest(&state, &tenant, &scope, None, &page, &headers).await
}

pub(crate) async fn of_team(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    Id(team): Id,
    page: PageRequest,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    newest(&state, &tenant, &scope, Some(team), &page, &headers).await
}

async fn newest(
    state: &Shared,
    tenant: &CurrentTenant,
    scope: &Scope,
    team: Option<i64>,
    page: &PageRequest,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let page = page.seek(&NEWEST)?;
    let plugins = state.store.plugins(tenant, scope, team, &page).await?;
    listing(headers, PRIVATE, &plugins)
}

pub(crate) async fn item(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let plugin = state.store.plugin(&tenant, &scope, id).await?;
    let plugin = plugin.ok_or_else(|| missing(NO_PLUGIN))?;
    cacheable(&headers, PRIVATE, &plugin)
}

pub(crate) async fn create(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    Sent(draft): Sent<Draft>,
) -> Result<Response, Refused> {
    let plugin = state.store.create(&tenant, &scope, checked(draft)?).await?;
    let location = [(LOCATION, format!("/api/v1/plugins/{}", plugin.id))];
    Ok((StatusCode::CREATED, location, Json(plugin)).into_response())
}

pub(crate) async fn replace(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    Id(id): Id,
    Sent(draft): Sent<Draft>,
) -> Result<Response, Refused> {
    let plugin = state
        .store
        .replace(&tenant, &scope, id, checked(draft)?)
        .await?;
    let plugin = plugin.ok_or_else(|| missing(NO_PLUGIN))?;
    Ok(Json(plugin).into_response())
}

pub(crate) async fn delete(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    Id(id): Id,
) -> Result<StatusCode, Refused> {
    let found = state.store.delete(&tenant, &scope, id).await?;
    let deleted = found.then_some(StatusCode::NO_CONTENT);
    deleted.ok_or_else(|| missing(NO_PLUGIN))
}

/// What no store could keep, or nobody could read, is told here.
fn checked(draft: Draft) -> Result<Draft, Refused> {
    text("name", &draft.name, 1, 100)?;
    text("description", &draft.description, 0, 5_000)?;
    text("version", &draft.version, 1, 40)?;
    if draft.team_id < 1 {
        let given = draft.team_id;
        return Err(invalid(&format!("team_id={given}: expected at least 1")));
    }
    Ok(draft)
}

/// Refuses text that is too short, too long, or has control characters other than a tab
/// and a line break.
pub(crate) fn text(field: &str, text: &str, least: usize, most: usize) -> Result<(), Refused> {
    let count = text.chars().count();
    if !(least..=most).contains(&count) {
        let expected = format!("expected {least} to {most} characters");
        return Err(invalid(&format!(
            "{field} of {count} characters: {expected}"
        )));
    }
    let strange = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if let Some(c) = text.chars().find(|c| strange(*c)) {
        let code = u32::from(c);
        return Err(invalid(&format!(
            "{field} has the control character U+{code:04X}"
        )));
    }
    Ok(())
}
