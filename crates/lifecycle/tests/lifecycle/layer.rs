use std::convert::Infallible;
use std::future::pending;

use axum::body::{Body, to_bytes};
use axum::routing::get;
use axum::{Router, response::Response};
use futures_util::stream;
use http::Request;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tower::{Layer as _, ServiceExt as _, service_fn};
use towerblock_lifecycle::{Deadlines, InFlightLayer, Lifecycle, Phase};
use towerblock_testkit::laws::{obeys_the_service_contract, shares_state_across_routes};
use towerblock_testkit::{at_every_poll, poll_times};

use crate::ready;

#[tokio::test]
async fn it_obeys_the_service_contract() {
    let lifecycle = ready();
    obeys_the_service_contract(InFlightLayer::new(&lifecycle)).await;
    assert_eq!(lifecycle.in_flight(), 0);
}

#[tokio::test]
async fn routes_count_for_one_lifecycle() {
    let lifecycle = ready();
    shares_state_across_routes(InFlightLayer::new(&lifecycle), async |routes| {
        let held = [
            routes.hold("/a").await.unwrap(),
            routes.hold("/b").await.unwrap(),
        ];
        assert_eq!(lifecycle.in_flight(), 2);
        for held in held {
            held.release().await;
        }
    })
    .await;
    assert_eq!(lifecycle.in_flight(), 0);
}

#[tokio::test]
async fn a_request_is_in_flight_until_its_body_ends() {
    let lifecycle = ready();
    let chunks = || async { Body::from_stream(stream::iter(["a", "b"].map(Ok::<_, Infallible>))) };
    let app: Router = Router::new()
        .route("/", get(chunks))
        .route("/empty", get(|| async {}))
        .layer(InFlightLayer::new(&lifecycle));
    let ask = async |path: &str| -> Response {
        let req = Request::get(path).body(Body::empty()).unwrap();
        app.clone().oneshot(req).await.unwrap()
    };
    let response = ask("/").await;
    assert_eq!(lifecycle.in_flight(), 1);
    to_bytes(response.into_body(), 10).await.unwrap();
    assert_eq!(lifecycle.in_flight(), 0);
    // Read to its end, and kept.
    let mut kept = ask("/").await.into_body();
    while kept.frame().await.is_some() {
        assert!(lifecycle.in_flight() == 1 || kept.is_end_stream());
    }
    assert_eq!(lifecycle.in_flight(), 0);
    drop(ask("/").await);
    assert_eq!(lifecycle.in_flight(), 0);
    let empty = ask("/empty").await;
    assert_eq!(lifecycle.in_flight(), 0);
    drop(empty);
}

#[tokio::test]
async fn a_dropped_request_is_in_flight_no_more() {
    let lifecycle = ready();
    let inner = service_fn(|_: Request<()>| async {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(http::Response::new(String::new()))
    });
    let svc = InFlightLayer::new(&lifecycle).layer(inner);
    at_every_poll(
        || svc.clone().oneshot(Request::new(())),
        async |polls| assert_eq!(lifecycle.in_flight(), 0, "after {polls} polls"),
    )
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_closing_is_served_and_after_that_refused() {
    let lifecycle = Lifecycle::new(Deadlines::default());
    let app: Router = Router::new()
        .route("/", get(|| async { "served" }))
        .layer(InFlightLayer::new(&lifecycle));
    let ask = async || {
        let req = Request::get("/").body(Body::empty()).unwrap();
        app.clone().oneshot(req).await.unwrap()
    };
    // Not through draining, for it was never ready.
    lifecycle.stop();
    assert_eq!(lifecycle.phase(), Phase::Closing);
    assert_eq!(ask().await.status(), 200);
    lifecycle.on_close("a hook", crate::secs(9), pending::<()>);
    // Up to where the hook has begun.
    let ran = poll_times(1, lifecycle.run(async {})).await;
    assert!(ran.is_none());
    let refused = ask().await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
}
