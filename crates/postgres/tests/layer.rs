//! What a user of the layer can rely on, under the router it is made for.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use http::{HeaderValue, Request, StatusCode};
use tokio::time::Instant;
use tower::ServiceExt;
use towerblock_postgres::{
    Carrier, ClusterLayer, ReadToken, ResponseFuture, Scope, TokenKeys, WithScope,
};
use towerblock_testkit::laws::{obeys_the_service_contract, shares_state_across_routes};

fn layer() -> ClusterLayer {
    ClusterLayer::new(TokenKeys::new([[7; 32]]).unwrap())
}

#[tokio::test]
async fn the_layer_obeys_the_service_contract() {
    obeys_the_service_contract(layer()).await;
    obeys_the_service_contract(layer().carrier(Carrier::header())).await;
}

#[tokio::test(start_paused = true)]
async fn every_route_has_the_deadline_of_the_layer() {
    let left = async |Extension(scope): Extension<Scope>| {
        let left = scope.deadline() - Instant::now();
        left.as_millis().to_string()
    };
    let routes = || Router::new().route("/a", get(left)).route("/b", get(left));
    for (layer, expected) in [
        (layer(), "5000"),
        (layer().time_limit(Duration::from_millis(300)), "300"),
        (layer().time_limit(Duration::MAX), "86400000"),
    ] {
        let app = routes().layer(layer);
        for path in ["/a", "/b"] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            let body = axum::body::to_bytes(response.into_body(), 99)
                .await
                .unwrap();
            assert_eq!(body, expected);
        }
    }
}

#[tokio::test]
async fn hostile_cookies_harm_nothing() {
    let name_alone = "tb-read=".repeat(10_000);
    let many = "a=b; tb-read=x; ".repeat(10_000);
    let lines: [&[u8]; 6] = [
        b"",
        b"tb-read",
        b"tb-read=\xff\xfe\x80; \xc3\x28=\xa0",
        name_alone.as_bytes(),
        many.as_bytes(),
        &[b';'; 100_000],
    ];
    shares_state_across_routes(layer(), async |routes| {
        for line in lines {
            let mut request = Request::get("/a").body(Body::empty()).unwrap();
            let line = HeaderValue::from_bytes(line).unwrap();
            for _ in 0..10 {
                request.headers_mut().append("cookie", line.clone());
            }
            let response = routes.send(request).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert!(!response.headers().contains_key("set-cookie"));
        }
    })
    .await;
}

/// Compiles, or a caller's `Arc`, `Router` or `Buffer` breaks.
#[test]
fn auto_traits() {
    fn shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn sendable<T: Send + Sync + Unpin + 'static>() {}
    shareable::<ClusterLayer>();
    shareable::<WithScope<()>>();
    shareable::<Scope>();
    shareable::<Carrier>();
    shareable::<TokenKeys>();
    shareable::<ReadToken>();
    sendable::<ResponseFuture<()>>();
}
