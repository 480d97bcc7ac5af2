use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use http::HeaderMap;
use serde::Serialize;
use towerblock_postgres::Scope;
use towerblock_respond::Refused;
use towerblock_tenant::CurrentTenant;

use crate::caller::User;
use crate::reply::{PRIVATE, Sent, cacheable};
use crate::routes::plugins::text;
use crate::state::Shared;
use crate::store::Profile;

#[derive(Serialize)]
pub(crate) struct OfUser {
    user_id: String,
    #[serde(flatten)]
    profile: Profile,
}

/// Empty for a user who said nothing yet.
pub(crate) async fn show(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    User(user_id): User,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let profile = state.store.profile(&tenant, &scope, &user_id).await?;
    let profile = profile.unwrap_or_default();
    cacheable(&headers, PRIVATE, &OfUser { user_id, profile })
}

pub(crate) async fn update(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    Extension(scope): Extension<Scope>,
    User(user_id): User,
    Sent(profile): Sent<Profile>,
) -> Result<Json<OfUser>, Refused> {
    text("display_name", &profile.display_name, 0, 100)?;
    text("email", &profile.email, 0, 254)?;
    let stored = profile.clone();
    state
        .store
        .set_profile(&tenant, &scope, &user_id, stored)
        .await?;
    Ok(Json(OfUser { user_id, profile }))
}
