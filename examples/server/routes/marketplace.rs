use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::AGE;
use http::{HeaderMap, HeaderValue, Uri};
use tokio::time::Instant;
use towerblock_page::{Page, PageRequest};
use towerblock_postgres::Scope;
use towerblock_respond::Refused;
use towerblock_tenant::CurrentTenant;

use crate::reply::{SHARED, listing};
use crate::state::Shared;
use crate::store::{NEWEST, Package};

pub(super) const PATH: &str = "/api/v1/marketplace";
/// Any cache in between may answer with as old a page.
const OLDEST: Duration = Duration::from_secs(600);
/// An answer in the place of a better one is asked for again each time.
const DEGRADED: HeaderValue = HeaderValue::from_static("public, no-cache");

/// The packages that all tenants share.
pub(crate) async fn list(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    page: PageRequest,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let page = page.shared().seek(&NEWEST)?;
    let packages = state.store.packages(&tenant, &scope, &page).await?;
    let response = listing(&headers, SHARED, &packages)?;
    if uri.query().is_none() {
        state.front_page.keep(packages);
    }
    Ok(response)
}

/// The first page as it was read last: the same for all tenants, so it may be shown to any.
#[derive(Debug, Default)]
pub(crate) struct FrontPage(Mutex<Option<Arc<Kept>>>);

#[derive(Debug)]
struct Kept {
    since: Instant,
    page: Page<Package>,
}

impl FrontPage {
    fn keep(&self, page: Page<Package>) {
        let since = Instant::now();
        let kept = Arc::new(Kept { since, page });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }

    /// What may stand for an answer of [`list`], if it is that which is asked for.
    pub(crate) fn stand_in(&self, req: &Request) -> Option<Response> {
        if req.uri().path() != PATH || req.uri().query().is_some() {
            return None;
        }
        let kept = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        let age = kept.since.elapsed();
        if age > OLDEST {
            return None;
        }
        let mut response = listing(req.headers(), DEGRADED, &kept.page).ok()?;
        response.headers_mut().insert(AGE, age.as_secs().into());
        Some(response)
    }
}
