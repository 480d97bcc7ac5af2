//! The stack around handlers that misbehave.

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use axum::{Router, routing::get};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::Request;
use tokio::time::timeout;
use tower::ServiceExt as _;

async fn answer(path: &str) -> Response {
    let req = Request::get(path).header("host", "acme.localhost");
    let response = app().oneshot(req.body(Body::empty()).unwrap());
    response.await.unwrap()
}

fn app() -> Router {
    let config = marketplace::Config::read(["server".into()]).unwrap();
    let routes = Router::new()
        .route(
            "/panics",
            get(async || -> &'static str { panic!("a secret") }),
        )
        .route("/works", get(async || "works"))
        .route("/hangs", get(async || pending::<&'static str>().await));
    marketplace::around(routes, &config, 3).unwrap()
}

#[tokio::test]
async fn a_handler_that_panics_is_a_500_with_its_request_id() {
    let response = answer("/panics").await;
    assert_eq!(response.status(), 500);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert!(response.headers().contains_key("x-request-id"));
    let body = to_bytes(response.into_body(), 1_024).await.unwrap();
    assert!(!String::from_utf8_lossy(&body).contains("secret"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_given_up() {
    let response = answer("/hangs").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_one_tenant_is_refused_to_it_and_to_nobody_else() {
    let app = app();
    let ask = async |tenant: &str, path: &str| {
        let req = Request::get(path).header("host", format!("{tenant}.localhost"));
        let response = app.clone().oneshot(req.body(Body::empty()).unwrap());
        response.await.unwrap()
    };
    let flood: FuturesUnordered<_> = (0..1_000).map(|_| ask("acme", "/hangs")).collect();
    let mut flood = pin!(flood);
    let mut refused = 0;
    // Those that are admitted hang until they are given up.
    while let Ok(Some(response)) = timeout(Duration::from_secs(1), flood.next()).await {
        assert_eq!(
            (response.status(), &response.headers()["retry-after"]),
            (429.try_into().unwrap(), &"1".parse().unwrap())
        );
        refused += 1;
    }
    assert_eq!(refused, 1_000 - 1_024 * 80 / 100);
    for tenant in ["globex", "initech"] {
        assert_eq!(ask(tenant, "/works").await.status(), 200, "{tenant}");
    }
    assert_eq!(ask("acme", "/works").await.status(), 429);
    while let Some(response) = flood.next().await {
        assert_eq!(response.status(), 503);
    }
    assert_eq!(ask("acme", "/works").await.status(), 200);
}
