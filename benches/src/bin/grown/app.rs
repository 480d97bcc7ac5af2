use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use tower::ServiceBuilder;
use towerblock_core::{BoxError, TenantId};
use towerblock_floor::{ordinary, plugins};
use towerblock_metrics::TenantBoardLayer;
use towerblock_quota::{Ask, RateLimitLayer};
use towerblock_respond::RespondLayer;
use towerblock_shed::{Limit, ShedLayer};
use towerblock_tenant::{Subdomain, TenantLayer};

use crate::kept::{Kept, Lists};

const IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// The layers of the example server that keep something of tenants, in their order.
pub(crate) fn around(kept: &Kept) -> Result<Router, BoxError> {
    let who_is_asking =
        TenantLayer::new(Arc::clone(&kept.registry)).resolver(Subdomain::of(["localhost"])?);
    let plan = Arc::clone(&kept.plan);
    let who_asks = move |req: &Request<Body>| {
        let tenant = req.extensions().get::<TenantId>()?;
        Some(Ask::new(Arc::clone(&plan), tenant))
    };
    let stack = ServiceBuilder::new()
        // Outside the layers that refuse with an error.
        .layer(RespondLayer::new())
        // Everything below may rely on the tenant.
        .layer(who_is_asking)
        // Right inside the tenant: what is refused below is counted for it, too.
        .layer(TenantBoardLayer::new(kept.board.clone()))
        // Inside the tenant, whose share it looks at.
        .layer(ShedLayer::new(Limit::fixed(IN_FLIGHT)))
        // Inside what sheds: what there was no room for is charged to nobody's plan.
        .layer(RateLimitLayer::new(kept.limiter.clone(), who_asks));
    let (lists, circuits) = (kept.lists.clone(), kept.circuits.clone());
    let list = async move |Extension(tenant): Extension<TenantId>| {
        let Ok(permit) = circuits.try_acquire(&tenant) else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let answer = list(&lists, &tenant).await;
        permit.success();
        answer
    };
    let routes = Router::new().route("/api/v1/plugins", get(list));
    Ok(ordinary(routes.layer(stack)))
}

async fn list(lists: &Lists, tenant: &TenantId) -> Response {
    let load = || async { Ok::<_, BoxError>(plugins()) };
    match lists.get_or_load(tenant, &0, load).await {
        Ok(Some(hit)) => {
            let json = [(header::CONTENT_TYPE, "application/json")];
            (json, (*hit).clone()).into_response()
        }
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
