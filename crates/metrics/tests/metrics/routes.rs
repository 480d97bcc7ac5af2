use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::routing::get;
use http::Request;
use tower::ServiceExt as _;

use crate::{fleet, told};

#[tokio::test]
async fn a_route_of_axum_is_told_as_it_was_written() {
    let (page, layer) = fleet();
    let layer = layer.route_of(|of| of.get().map(MatchedPath::as_str));
    let nested = Router::new().route("/orders/{id}", get(async || "order"));
    let app: Router = Router::new()
        .route("/users/{id}", get(async || "user"))
        .nest("/api", nested)
        .layer(layer);
    for path in ["/users/1", "/users/2", "/api/orders/7", "/etc/passwd"] {
        let req = Request::get(path).body(Body::empty()).unwrap();
        drop(app.clone().oneshot(req).await.unwrap());
    }
    let page = page.render();
    let requests = |route| told(&page, "http_requests_total", &[route]);
    assert_eq!(requests(r#"route="/users/{id}""#), 2.0);
    assert_eq!(requests(r#"route="/api/orders/{id}""#), 1.0);
    assert_eq!(requests(r#"route="__unmatched__""#), 1.0);
    assert_eq!(told(&page, "http_requests_total", &[]), 4.0);
}
