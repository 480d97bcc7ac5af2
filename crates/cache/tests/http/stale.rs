//! What is served when it is not fresh any more, and how it is proved to be so still.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};

use crate::support::{App, AsyncAnswer, End, TTL, answer, get, lifetimes, pass, policy};
use towerblock_cache::HttpPolicy;

/// Answers with this status, which the test changes, and with how often it was asked.
fn switched(
    headers: &'static [(&'static str, &'static str)],
) -> (Arc<AtomicU16>, impl AsyncAnswer<Response<Body>>) {
    let (status, asked) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicUsize::new(0)));
    let now = Arc::clone(&status);
    let route = move |_: Request<Body>| {
        let nth = asked.fetch_add(1, Ordering::SeqCst) + 1;
        let status = now.load(Ordering::SeqCst);
        async move { answer(status, headers, format!("answer {nth}")) }
    };
    (status, route)
}

#[tokio::test(start_paused = true)]
async fn stale_while_a_new_one_is_loaded() {
    let policy = HttpPolicy::new(lifetimes().stale_while_revalidate(TTL));
    let (_, route) = switched(&[]);
    let app = App::new(policy, route);
    app.get("/a").await;
    pass(TTL + Duration::from_secs(1)).await;
    let stale = app.get("/a").await;
    assert_eq!((stale.text(), stale.degraded), ("answer 1", true));
    assert_eq!(stale.header("cache-status"), "route; hit; ttl=-1");
    pass(Duration::ZERO).await;
    let fresh = app.get("/a").await;
    assert_eq!(
        (fresh.text(), fresh.did(), fresh.degraded),
        ("answer 2", "hit", false)
    );
    assert_eq!(app.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn stale_if_the_route_fails_and_the_error_if_there_is_nothing() {
    let policy = HttpPolicy::new(lifetimes().stale_if_error(TTL));
    let (status, route) = switched(&[]);
    let app = App::new(policy, route);
    app.get("/a").await;
    status.store(500, Ordering::SeqCst);
    let error = app.get("/b").await;
    assert_eq!((error.status.as_u16(), error.text()), (500, "answer 2"));
    pass(TTL + Duration::from_secs(1)).await;
    app.asked();
    let mut did = Vec::new();
    for _ in 0..3 {
        let stale = app.get("/a").await;
        assert_eq!((stale.status.as_u16(), stale.text()), (200, "answer 1"));
        assert!(stale.degraded);
        did.push(stale.did().to_owned());
    }
    assert_eq!(did, ["fwd=stale; stored=?0", "hit", "hit"]);
    // It is left alone for a while.
    assert_eq!(app.asked(), 1);
    pass(TTL).await;
    assert_eq!(app.get("/a").await.status, 500);
    // An error is not kept for others.
    assert_eq!((app.get("/a").await.text(), app.asked()), ("answer 5", 2));
}

/// A route that is asked too much has not lost what it had.
#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_throw_away_what_may_be_served_stale() {
    for refusal in [429, 408] {
        let window = lifetimes()
            .stale_while_revalidate(TTL)
            .stale_if_error(2 * TTL);
        let (status, route) = switched(&[]);
        let app = App::new(HttpPolicy::new(window), route);
        app.get("/a").await;
        status.store(refusal, Ordering::SeqCst);
        pass(TTL + Duration::from_secs(1)).await;
        for wait in [Duration::ZERO, Duration::from_secs(1), TTL] {
            pass(wait).await;
            let stale = app.get("/a").await;
            assert_eq!((stale.status.as_u16(), stale.text()), (200, "answer 1"));
        }
        assert!(app.asked() > 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_must_be_revalidated_is_never_served_stale() {
    for directive in ["must-revalidate", "proxy-revalidate", "s-maxage=5"] {
        let window = lifetimes().stale_while_revalidate(TTL).stale_if_error(TTL);
        let status = Arc::new(AtomicU16::new(200));
        let now = Arc::clone(&status);
        let route = move |_: Request<Body>| {
            let status = now.load(Ordering::SeqCst);
            async move {
                let mut response = answer(status, &[], "");
                let headers = response.headers_mut();
                headers.insert("cache-control", directive.parse().unwrap());
                response
            }
        };
        let app = App::new(HttpPolicy::new(window), route);
        app.get("/a").await;
        status.store(500, Ordering::SeqCst);
        assert_eq!(app.get("/a").await.did(), "hit");
        pass(TTL).await;
        assert_eq!(app.get("/a").await.status, 500, "{directive}");
        assert_eq!(app.get("/a").await.status, 500, "{directive}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_304_of_the_route_keeps_the_body() {
    let route = async |req: Request<Body>| match req.headers().get("if-none-match") {
        Some(tag) if tag == "\"1\"" => answer(304, &[("etag", "\"1\""), ("x-a", "2")], ""),
        _ => answer(200, &[("etag", "\"1\""), ("x-a", "1")], "body"),
    };
    let lifetimes = lifetimes().stale_if_error(TTL);
    let app = App::new(HttpPolicy::new(lifetimes), route);
    assert_eq!(app.get("/a").await.header("x-a"), "1");
    pass(TTL).await;
    // A client that knows another one does not disturb.
    let got = app
        .send(get("/a").header("if-none-match", "\"0\"").end())
        .await;
    assert_eq!(
        (got.status.as_u16(), got.text(), got.header("x-a")),
        (200, "body", "2")
    );
    assert_eq!(got.did(), "fwd=stale; stored");
    assert_eq!(
        (app.seen("if-none-match").as_deref(), app.asked()),
        (Some("\"1\""), 2)
    );
    assert_eq!(app.get("/a").await.did(), "hit");
    // One that knows this one is told so.
    let got = app
        .send(get("/a").header("if-none-match", "\"1\"").end())
        .await;
    assert_eq!((got.status.as_u16(), got.text()), (304, ""));
}

#[tokio::test(start_paused = true)]
async fn a_degraded_answer_is_not_stored() {
    let route = async |_: Request<Body>| {
        let mut response = answer(200, &[], "made up");
        let mark = towerblock_core::Degraded::new("circuit-open");
        response.extensions_mut().insert(mark);
        response
    };
    let app = App::new(policy(), route);
    for _ in 0..3 {
        let got = app.get("/a").await;
        assert!(got.degraded && !got.did().starts_with("hit"));
    }
    assert_eq!(app.asked(), 3);
}
