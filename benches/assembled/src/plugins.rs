use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use bytes::Bytes;

use crate::sources::Sources;
use crate::tenant::Tenant;

type Answer = ([(HeaderName, HeaderValue); 1], Bytes);

const JSON: (HeaderName, HeaderValue) = (
    header::CONTENT_TYPE,
    HeaderValue::from_static("application/json"),
);

pub(crate) async fn list(
    State(sources): State<Arc<Sources>>,
    Extension(Tenant(tenant)): Extension<Tenant>,
    uri: Uri,
) -> Result<Answer, StatusCode> {
    let page = match key(&tenant, &uri) {
        Some(key) => sources.get(key, &tenant).await?,
        None => sources.query(&tenant).await?,
    };
    Ok(([JSON], page))
}

pub(crate) async fn list_with_care(
    State(sources): State<Arc<Sources>>,
    Extension(Tenant(tenant)): Extension<Tenant>,
    uri: Uri,
) -> Result<Answer, StatusCode> {
    let page = match key(&tenant, &uri) {
        Some(key) => sources.get_with_care(&key, &tenant).await?,
        None => Box::pin(sources.query_with_care(&tenant)).await?,
    };
    Ok(([JSON], page))
}

/// None for what no link leads to: it is answered, and not kept.
fn key(tenant: &str, uri: &Uri) -> Option<String> {
    let query = uri.query().unwrap_or_default();
    (!query.contains("nth=")).then(|| format!("plugins:{tenant}:{query}"))
}
