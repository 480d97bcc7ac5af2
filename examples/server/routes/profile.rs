use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use serde::Serialize;
use towerblock_postgres::Scope;
use towerblock_respond::Refused;
use towerblock_tenant::CurrentTenant;

use crate::answer::{Answer, Known};
use crate::caches::Stale;
use crate::caller::User;
use crate::reply::{Sent, missing};
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
    known: Known,
) -> Result<Response, Refused> {
    let key = Some(&user_id).filter(|_| !state.has_written(&scope));
    let fetch = {
        let (state, tenant, user_id) = (Shared::clone(&state), tenant.clone(), user_id.clone());
        move |scope: Scope| async move {
            let profile = state.store.profile(&tenant, &scope, &user_id).await?;
            let profile = profile.unwrap_or_default();
            Ok(Some(Answer::of(&OfUser { user_id, profile })?))
        }
    };
    let profiles = &state.caches.profiles;
    let served = profiles.read((&tenant.id, &scope), key, fetch).await?;
    let served = served.ok_or_else(|| missing("no such user"))?;
    Ok(served.private(&known))
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
    let (store, of) = (Arc::clone(&state.store), tenant.id.clone());
    let (user, stored) = (user_id.clone(), profile.clone());
    let write = async move { store.set_profile(&tenant, &scope, &user, stored).await };
    let user = user_id.clone();
    let stale = |_: Option<&()>| Stale::Profile(user);
    state.writes.run(&state.caches, &of, write, stale).await?;
    Ok(Json(OfUser { user_id, profile }))
}
