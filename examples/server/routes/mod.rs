//! The endpoints.

mod degradation;
mod marketplace;
mod plugins;
mod profile;
mod queries;
mod tenants;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_extractor_with_state;
use axum::routing::{get, get_service, post};
use tower::ServiceBuilder;
use tower::util::MapRequestLayer;
use towerblock_cache::HttpCacheLayer;

pub(crate) use self::plugins::stand_in;
use crate::caller::Admin;
use crate::observed::Observed;
use crate::state::Shared;
use crate::{limits, stack};

/// What tenants call.
pub(crate) fn tenants(state: &Shared) -> Router<Shared> {
    // What these two answer is kept as it goes over the wire. Outside compression: what is kept
    // is compressed already.
    let kept = |cache: &HttpCacheLayer| {
        ServiceBuilder::new()
            .layer(cache.clone())
            .layer(stack::compression())
    };
    // Outside what is kept: who wrote a moment ago is answered by the database, and what a
    // client makes up is not kept.
    let own_writes = Arc::clone(state);
    let own_writes = MapRequestLayer::new(move |req| plugins::own_writes(&own_writes, req));
    let of_team = ServiceBuilder::new()
        .layer(own_writes)
        .map_request(plugins::made_up)
        .layer(kept(&state.caches.of_teams));
    let packages = ServiceBuilder::new()
        .map_request(plugins::made_up)
        .layer(kept(&state.caches.marketplace));
    Router::new()
        .route(plugins::PATH, get(plugins::list).post(plugins::create))
        .route(
            "/api/v1/plugins/{id}",
            get(plugins::item)
                .put(plugins::replace)
                .delete(plugins::delete),
        )
        .route(
            "/api/v1/teams/{id}/my-plugins",
            get(plugins::of_team).layer(of_team),
        )
        .route(
            "/api/v1/marketplace",
            get(marketplace::list).layer(packages),
        )
        .route(limits::USAGE, get(usage::show))
        .route(
            "/api/v1/user/profile",
            get(profile::show).put(profile::update),
        )
}

/// What operators and orchestrators call.
pub(crate) fn operators(state: &Shared, observed: &Observed) -> Router<Shared> {
    let (health, page) = (&observed.health, observed.page.clone());
    let admins = from_extractor_with_state::<Admin, _>(Arc::clone(state));
    Router::new()
        .route("/livez", get_service(health.livez()))
        .route("/readyz", get_service(health.readyz()))
        .route("/api/ready", get_service(health.readyz()))
        .route("/api/health", get_service(observed.report(state)))
        .route("/metrics", get_service(page).layer(admins))
        .route("/api/tenants/worst", get(tenants::worst))
        .route("/api/query-optimizer/metrics", get(queries::report))
        .route("/api/degradation/health", get(degradation::health))
        .route("/api/degradation/circuits", get(degradation::circuits))
        .route(
            "/api/degradation/circuits/{name}",
            post(degradation::switch),
        )
}
