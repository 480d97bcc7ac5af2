//! The stack around handlers that misbehave.

use std::future::pending;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use axum::{Router, routing::get};
use http::Request;
use tower::ServiceExt as _;

async fn answer(path: &str) -> Response {
    let config = marketplace::Config::read(["server".into()]).unwrap();
    let routes = Router::new()
        .route(
            "/panics",
            get(async || -> &'static str { panic!("a secret") }),
        )
        .route("/hangs", get(async || pending::<&'static str>().await));
    let app = marketplace::around(routes, &config, 3).unwrap();
    let req = Request::get(path).header("host", "acme.localhost");
    app.oneshot(req.body(Body::empty()).unwrap()).await.unwrap()
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
