use axum::{Router, body::Body, routing::get};
use http::{HeaderName, Request};
use tower::ServiceExt;
use towerblock_core::HasTenant;
use towerblock_tenant::{
    self as tenant, Claim, CurrentTenant, GuardedHeader, Named, PathPrefix, Registry, Subdomain,
    TenantBody, TenantLayer, Trust, WithTenant,
};
use towerblock_testkit::laws::{obeys_the_service_contract, shares_state_across_routes};

use crate::stores::Store;
use crate::{bare, host, registry};

const UNKNOWN: &str = r#"{"type":"urn:towerblock:unknown-tenant","title":"Not Found","status":404,"detail":"no such tenant"}"#;

/// What the guard of these tests looks for.
#[derive(Clone)]
struct Trusted;

#[tokio::test]
async fn the_handler_and_the_layers_below_see_the_tenant() {
    assert_eq!(
        answer(host("acme.localhost")).await,
        (200, "acme 1".to_owned())
    );
}

#[tokio::test]
async fn a_missing_and_an_unknown_tenant_look_alike() {
    for req in [host("localhost"), host("nobody.localhost"), bare()] {
        assert_eq!(answer(req).await, (404, UNKNOWN.to_owned()));
    }
}

#[tokio::test]
async fn a_malformed_tenant_is_a_bad_request() {
    for label in ["", "-acme", "a_b", &"a".repeat(64)] {
        let (status, body) = answer(host(&format!("{label}.localhost"))).await;
        assert_eq!(status, 400, "{label} {body}");
    }
}

#[tokio::test]
async fn a_header_counts_only_behind_its_guard() {
    assert_eq!(answer(header(bare(), "globex")).await.0, 404);
    let mut req = header(bare(), "globex");
    req.extensions_mut().insert(Trusted);
    assert_eq!(answer(req).await.1, "globex 2");
    // Ignored means ignored: it neither helps nor harms.
    let elsewhere = header(host("acme.localhost"), "globex");
    assert_eq!(answer(elsewhere).await.1, "acme 1");
}

#[tokio::test]
async fn a_header_given_twice_or_against_the_host_is_a_bad_request() {
    let trusted = |mut req: Request<Body>| {
        req.extensions_mut().insert(Trusted);
        req
    };
    let twice = trusted(header(header(bare(), "acme"), "acme"));
    assert_eq!(answer(twice).await.0, 400);
    let against = trusted(header(host("acme.localhost"), "globex"));
    assert_eq!(answer(against).await.0, 400);
    let agreeing = trusted(header(host("acme.localhost"), "acme"));
    assert_eq!(answer(agreeing).await.0, 200);
    let empty = trusted(header(bare(), ""));
    assert_eq!(answer(empty).await.0, 400);
}

#[tokio::test]
async fn without_the_layer_the_extractor_fails_closed() {
    let app = Router::new().route("/", get(greet));
    let response = app.oneshot(host("acme.localhost")).await.unwrap();
    assert_eq!(response.status(), 404);
}

#[tokio::test]
async fn without_a_resolver_everyone_is_refused() {
    let app = Router::new().route("/", get(greet));
    let app: Router = app.layer(TenantLayer::new(registry()));
    let response = app.oneshot(host("acme.localhost")).await.unwrap();
    assert_eq!(response.status(), 404);
}

#[tokio::test]
async fn it_obeys_the_service_contract() {
    let acme: fn(&http::request::Parts) -> Named<'_> =
        |_| Ok(Some(Claim::tenant("acme", Trust::Routed)));
    obeys_the_service_contract(TenantLayer::new(registry()).resolver(acme)).await;
}

#[tokio::test]
async fn two_routes_of_a_router_share_what_is_known() {
    let acme: fn(&http::request::Parts) -> Named<'_> =
        |_| Ok(Some(Claim::tenant("acme", Trust::Routed)));
    let store = Store::new([crate::tenant("acme", 1)]);
    let layer = TenantLayer::new(Registry::new(store.clone())).resolver(acme);
    let statuses = shares_state_across_routes(layer, async |routes| routes.alternate(4).await);
    assert_eq!(statuses.await, [200; 4]);
    assert_eq!(store.asked(), 1);
}

#[tokio::test]
async fn a_layer_inside_of_another_names_the_same_tenant_or_nobody() {
    let inner = TenantLayer::new(registry()).resolver(PathPrefix::new("/t"));
    let outer = TenantLayer::new(registry()).resolver(Subdomain::of(["localhost"]).unwrap());
    let app: Router = Router::new().fallback(get(greet)).layer(inner).layer(outer);
    let ask = async |path: &str| {
        let mut req = host("acme.localhost");
        *req.uri_mut() = path.parse().unwrap();
        crate::answer(&app, req).await.0
    };
    for _ in 0..2 {
        assert_eq!(ask("/t/acme").await, 200);
        assert_eq!(ask("/t/globex").await, 400);
    }
}

/// Compiles, or a caller's `Arc`, `Router` or `Buffer` breaks.
#[test]
fn auto_traits() {
    fn shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn movable<T: Send + Sync + 'static>() {}
    fn sendable<T: Send>(_: &T) {}
    shareable::<WithTenant<()>>();
    shareable::<TenantLayer>();
    movable::<Registry>();
    movable::<TenantBody<String>>();
    let _ = |svc: WithTenant<axum::routing::Route>, req: Request<Body>| sendable(&svc.oneshot(req));
    let _ = |acme, req: Request<Body>| sendable(&tenant::scope(acme, async { req }));
}

async fn greet(tenant: CurrentTenant, req: Request<Body>) -> String {
    assert_eq!(req.tenant(), Some(&tenant.id));
    format!("{} {}", tenant.id.as_str(), tenant.key)
}

async fn answer(req: Request<Body>) -> (u16, String) {
    let name = HeaderName::from_static("x-tenant-id");
    let trusted = |parts: &http::request::Parts| parts.extensions.get::<Trusted>().is_some();
    let layer = TenantLayer::new(registry())
        .resolver(Subdomain::of(["localhost"]).unwrap())
        .resolver(GuardedHeader::new(name, trusted));
    let app: Router = Router::new().route("/", get(greet)).layer(layer);
    crate::answer(&app, req).await
}

fn header(mut req: Request<Body>, tenant: &str) -> Request<Body> {
    req.headers_mut()
        .append("x-tenant-id", tenant.parse().unwrap());
    req
}
