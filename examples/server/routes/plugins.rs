use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode, Uri};
use towerblock_core::TenantId;
use towerblock_page::{PageRequest, Seek};
use towerblock_postgres::Scope;
use towerblock_respond::Refused;
use towerblock_tenant::CurrentTenant;

use crate::answer::{Answer, Known, Served};
use crate::caches::{PLUGINS, Stale, of_page};
use crate::reply::{Id, Sent, invalid, missing};
use crate::state::Shared;
use crate::store::{Draft, NEWEST, Plugin};

pub(super) const PATH: &str = "/api/v1/plugins";
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
const NO_PLUGIN: &str = "no such plugin";

/// What it is given is needed no longer when there is something to wait for: each request moves the
/// future of this.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that axum asks for"
)]
pub(crate) fn list(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    page: PageRequest,
    uri: Uri,
    known: Known,
) -> impl Future<Output = Result<Response, Refused>> + Send {
    let read = |page: Seek| {
        let key = of_page(&uri).filter(|_| !state.has_written(&scope));
        let fetch = {
            let (state, tenant) = (Shared::clone(&state), tenant.clone());
            move |scope: Scope| async move {
                let page = state.store.plugins(&tenant, &scope, None, &page).await?;
                Ok(Some(Answer::page(&page)?))
            }
        };
        let lists = &state.caches.lists;
        lists.read((&tenant.id, &scope), key, fetch)
    };
    // A cursor that is none of ours is refused here, before anything is kept.
    let served = page.seek(&NEWEST).map(read);
    async move {
        let served = served?.await?.ok_or_else(|| missing("no such page"))?;
        Ok(served.private(&known))
    }
}

/// Kept by the layer around it, until a write forgets its tag.
pub(crate) async fn of_team(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    Id(team): Id,
    page: PageRequest,
) -> Result<Response, Refused> {
    let page = page.seek(&NEWEST)?;
    let page = state.store.plugins(&tenant, &scope, Some(team), &page);
    let answer = Answer::page(&page.await?)?;
    Ok(([(SURROGATE_KEY, PLUGINS)], answer.whole()).into_response())
}

/// Has the cache ask the handler, for who must see what they wrote.
pub(crate) fn own_writes(state: &Shared, mut req: Request) -> Request {
    let scope = req.extensions().get::<Scope>();
    if scope.is_some_and(|scope| state.has_written(scope)) {
        let anew = HeaderValue::from_static("no-cache");
        req.headers_mut().insert(CACHE_CONTROL, anew);
    }
    req
}

/// Has the cache keep only what our own links ask for.
pub(crate) fn made_up(mut req: Request) -> Request {
    if of_page(req.uri()).is_none() {
        let unkept = HeaderValue::from_static("no-store");
        req.headers_mut().append(CACHE_CONTROL, unkept);
    }
    req
}

/// What may stand for an answer of [`list`]: what is in memory.
pub(crate) fn stand_in(state: &Shared, req: &Request) -> Option<Response> {
    if req.uri().path() != PATH {
        return None;
    }
    let tenant = req.extensions().get::<TenantId>()?;
    let hit = state.caches.lists.peek(tenant, of_page(req.uri())?)?;
    Some(Served::stand_in(&hit, req.headers()))
}

pub(crate) async fn item(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    Id(id): Id,
    known: Known,
) -> Result<Response, Refused> {
    let fetch = {
        let (state, tenant) = (Shared::clone(&state), tenant.clone());
        move |scope: Scope| async move {
            let plugin = state.store.plugin(&tenant, &scope, id).await?;
            plugin.as_ref().map(Answer::of).transpose()
        }
    };
    let key = Some(&id).filter(|_| !state.has_written(&scope));
    let plugins = &state.caches.plugins;
    let served = plugins.read((&tenant.id, &scope), key, fetch).await?;
    let served = served.ok_or_else(|| missing(NO_PLUGIN))?;
    Ok(served.private(&known))
}

pub(crate) async fn create(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    Sent(draft): Sent<Draft>,
) -> Result<Response, Refused> {
    let (draft, store) = (checked(draft)?, Arc::clone(&state.store));
    let (id, counted) = (tenant.id.clone(), state.limits.plugin(&tenant)?);
    let write = async move { store.create(&tenant, &scope, &counted, draft).await };
    let stale = |made: Option<&Plugin>| made.map_or(Stale::Lists, |made| Stale::Plugin(made.id));
    let plugin = state.writes.run(&state.caches, &id, write, stale).await?;
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
    let (draft, store) = (checked(draft)?, Arc::clone(&state.store));
    let of = tenant.id.clone();
    let write = async move { store.replace(&tenant, &scope, id, draft).await };
    let stale = move |_: Option<&_>| Stale::Plugin(id);
    let plugin = state.writes.run(&state.caches, &of, write, stale).await?;
    let plugin = plugin.ok_or_else(|| missing(NO_PLUGIN))?;
    Ok(Json(plugin).into_response())
}

pub(crate) async fn delete(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    Id(id): Id,
) -> Result<StatusCode, Refused> {
    let (of, store) = (tenant.id.clone(), Arc::clone(&state.store));
    let counted = state.limits.plugin(&tenant)?;
    let write = async move { store.delete(&tenant, &scope, &counted, id).await };
    let stale = move |_: Option<&_>| Stale::Plugin(id);
    let found = state.writes.run(&state.caches, &of, write, stale).await?;
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

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_moved_for_a_hit_is_small() {
        fn size<S, T, E, P, U, K, F>(_: impl Fn(S, T, E, P, U, K) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(super::list) <= 384, "{}", size(super::list));
    }
}
