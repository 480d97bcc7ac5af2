//! The endpoints.

mod degradation;
mod health;
mod marketplace;
mod plugins;
mod profile;
mod queries;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use self::marketplace::stand_in;
use crate::state::Shared;

/// What tenants call.
pub(crate) fn tenants() -> Router<Shared> {
    Router::new()
        .route("/api/v1/plugins", get(plugins::list).post(plugins::create))
        .route(
            "/api/v1/plugins/{id}",
            get(plugins::item)
                .put(plugins::replace)
                .delete(plugins::delete),
        )
        .route("/api/v1/teams/{id}/my-plugins", get(plugins::of_team))
        .route(marketplace::PATH, get(marketplace::list))
        .route(
            "/api/v1/user/profile",
            get(profile::show).put(profile::update),
        )
}

/// What operators and orchestrators call.
pub(crate) fn operators() -> Router<Shared> {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/api/ready", get(health::ready))
        .route("/api/health", get(health::report))
        .route("/metrics", get(health::metrics))
        .route("/api/query-optimizer/metrics", get(queries::report))
        .route("/api/degradation/health", get(degradation::health))
        .route("/api/degradation/circuits", get(degradation::circuits))
        .route(
            "/api/degradation/circuits/{name}",
            post(degradation::switch),
        )
}
