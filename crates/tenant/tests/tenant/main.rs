//! What a user of the layer can rely on, under the router it is made for.

#![cfg(all(feature = "axum", feature = "jwt", feature = "postgres"))]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod authorize;
mod context;
mod layer;
mod matrix;
mod postgres;
mod registry;
mod stores;
mod tokens;

use axum::body::Body;
use http::{Request, Response};
use tower::ServiceExt;
use towerblock_core::TenantId;
use towerblock_tenant::{Isolation, MemoryStore, Registry, Tenant};

fn id(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn tenant(name: &str, key: u64) -> Tenant {
    Tenant::new(id(name), key, Isolation::Schema)
}

/// `acme` and `globex`.
fn registry() -> Registry {
    let tenants = [tenant("acme", 1), tenant("globex", 2)];
    Registry::new(MemoryStore::from_iter(tenants))
}

/// Status and text of what `app` answers.
async fn answer(app: &axum::Router, req: Request<Body>) -> (u16, String) {
    let (head, body) = Response::into_parts(app.clone().oneshot(req).await.unwrap());
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (head.status.as_u16(), text)
}

fn bare() -> Request<Body> {
    Request::new(Body::empty())
}

fn host(host: &str) -> Request<Body> {
    let mut req = bare();
    req.headers_mut().insert("host", host.parse().unwrap());
    req
}
