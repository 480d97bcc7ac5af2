use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tower_governor::GovernorError;
use tower_governor::key_extractor::KeyExtractor;

const TENANT_ID: &str = "x-tenant-id";

/// Whose request it is. That there is such a tenant is not asked.
#[derive(Clone, Debug)]
pub(crate) struct Tenant(pub(crate) Arc<str>);

/// Leaves the tenant for the handlers.
pub(crate) async fn resolve(mut req: Request, next: Next) -> Result<Response, StatusCode> {
    let tenant = named(req.headers()).ok_or(StatusCode::NOT_FOUND)?;
    let tenant = Tenant(tenant.into());
    req.extensions_mut().insert(tenant);
    Ok(next.run(req).await)
}

/// By a header, or else by subdomain.
fn named(headers: &HeaderMap) -> Option<&str> {
    if let Some(tenant) = headers.get(TENANT_ID) {
        return tenant.to_str().ok();
    }
    let host = headers.get(HOST)?.to_str().ok()?;
    host.split_once('.').map(|(tenant, _)| tenant)
}

/// The key as the examples of tower_governor have it: text of its own for each request.
#[derive(Clone, Debug)]
pub(crate) struct ByName;

impl KeyExtractor for ByName {
    type Key = String;

    fn extract<T>(&self, req: &axum::http::Request<T>) -> Result<String, GovernorError> {
        let tenant = named(req.headers()).map(str::to_owned);
        tenant.ok_or(GovernorError::UnableToExtractKey)
    }
}

/// The key that is in the request already.
#[derive(Clone, Debug)]
pub(crate) struct ByTenant;

impl KeyExtractor for ByTenant {
    type Key = Arc<str>;

    fn extract<T>(&self, req: &axum::http::Request<T>) -> Result<Arc<str>, GovernorError> {
        let tenant = req.extensions().get::<Tenant>();
        tenant
            .map(|tenant| Arc::clone(&tenant.0))
            .ok_or(GovernorError::UnableToExtractKey)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::named;

    #[test]
    fn a_header_comes_before_the_subdomain() {
        let mut headers = HeaderMap::new();
        assert_eq!(named(&headers), None);
        headers.insert("host", HeaderValue::from_static("acme.localhost:80"));
        assert_eq!(named(&headers), Some("acme"));
        headers.insert("x-tenant-id", HeaderValue::from_static("globex"));
        assert_eq!(named(&headers), Some("globex"));
    }
}
