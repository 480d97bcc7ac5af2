use std::ops::Deref;
use std::sync::Arc;

use axum_core::extract::FromRequestParts;
use http::Response;
use http::request::Parts;
use towerblock_core::{ProblemBody, Reason, Rejected};

use crate::Tenant;

/// The tenant of the request, as an argument of an axum handler.
///
/// ```
/// use towerblock_tenant::CurrentTenant;
///
/// async fn greet(tenant: CurrentTenant) -> String {
///     format!("hello {}", tenant.id.as_str())
/// }
/// # let app: axum::Router = axum::Router::new().route("/", axum::routing::get(greet));
/// ```
///
/// On a route without a [`TenantLayer`](crate::TenantLayer) it fails closed: the request
/// is answered with 404, as any without a tenant.
#[derive(Clone, Debug)]
pub struct CurrentTenant(Arc<Tenant>);

impl Deref for CurrentTenant {
    type Target = Tenant;

    fn deref(&self) -> &Tenant {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentTenant {
    type Rejection = Response<ProblemBody<axum_core::body::Body>>;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let tenant = parts.extensions.get::<Arc<Tenant>>().cloned();
        let missing = || Rejected::new("tenant", Reason::UnknownTenant).response();
        tenant.map(Self).ok_or_else(missing)
    }
}
