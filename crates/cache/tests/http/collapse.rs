//! Many ask for the same at once, and some leave.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures_util::future::join_all;
use http::Request;
use tokio::sync::Semaphore;
use towerblock_cache::{Hub, Loads, Settings, Timeouts};
use towerblock_testkit::{at_every_poll, poll_times};

use crate::support::{App, AsyncAnswer, End, answer, get, lifetimes, pass, policy};
use towerblock_cache::HttpPolicy;

/// Answers when it is let.
fn gated(
    headers: &'static [(&'static str, &'static str)],
) -> (Arc<Semaphore>, impl AsyncAnswer<http::Response<Body>>) {
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    let route = move |_: Request<Body>| {
        let gate = Arc::clone(&closed);
        async move {
            gate.acquire().await.unwrap().forget();
            answer(200, headers, "body")
        }
    };
    (gate, route)
}

#[tokio::test(start_paused = true)]
async fn one_is_asked_for_all_who_wait() {
    let (gate, route) = gated(&[]);
    let app = App::new(policy(), route);
    let asks = (0..50).map(|_| tokio::spawn(app.begin(get("/a").end())));
    let asks: Vec<_> = asks.collect();
    pass(Duration::ZERO).await;
    gate.add_permits(1);
    let mut did = Vec::new();
    for answer in join_all(asks).await {
        let status = answer.unwrap().headers()["cache-status"].clone();
        did.push(
            status
                .to_str()
                .unwrap()
                .split("; ")
                .nth(2)
                .unwrap()
                .to_owned(),
        );
    }
    assert_eq!(did.iter().filter(|it| *it == "stored").count(), 1);
    assert_eq!(did.iter().filter(|it| *it == "collapsed").count(), 49);
    assert_eq!(app.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_what_is_private_ask_for_themselves_all_at_once() {
    let (gate, route) = gated(&[("cache-control", "private")]);
    let app = App::new(policy(), route);
    let asks = (0..20).map(|_| tokio::spawn(app.begin(get("/a").end())));
    let asks: Vec<_> = asks.collect();
    pass(Duration::ZERO).await;
    assert_eq!(app.asked(), 1);
    gate.add_permits(1);
    pass(Duration::ZERO).await;
    // Nobody waits for another of them.
    assert_eq!(app.asked(), 19);
    // Nor does anybody who comes a little later.
    let late = tokio::spawn(app.begin(get("/a").end()));
    pass(Duration::ZERO).await;
    assert_eq!(app.asked(), 1);
    gate.add_permits(20);
    join_all(asks).await;
    let status = late.await.unwrap().headers()["cache-status"].clone();
    assert_eq!(status, "route; fwd=bypass; detail=hit-for-miss");
    // After a while it is tried again.
    pass(Duration::from_secs(6)).await;
    let first = tokio::spawn(app.begin(get("/a").end()));
    let second = tokio::spawn(app.begin(get("/a").end()));
    pass(Duration::ZERO).await;
    assert_eq!(app.asked(), 1);
    gate.add_permits(2);
    assert_eq!(first.await.unwrap().status(), 200);
    assert_eq!(second.await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn whoever_came_first_may_leave_at_any_time() {
    let slow = async |_: Request<Body>| {
        tokio::task::yield_now().await;
        let parts = ["ha", "lf"].map(Ok::<_, std::io::Error>);
        let parts = futures_util::stream::iter(parts);
        Body::from_stream(futures_util::StreamExt::then(parts, async |part| {
            tokio::task::yield_now().await;
            part
        }))
    };
    let app = App::new(policy(), slow);
    let mut nth = 0;
    let ask = || {
        nth += 1;
        app.begin(get(&format!("/{nth}")).end())
    };
    let others = app.clone();
    let mut left = 0;
    let last = at_every_poll(ask, async |_| {
        left += 1;
        // Another, of the same URI, has the whole answer.
        let other = others.get(&format!("/{left}")).await;
        assert_eq!(other.text(), "half");
    })
    .await;
    assert_eq!(last.status(), 200);
    assert!(left >= 2);

    // While others wait already.
    let (gate, route) = gated(&[]);
    let app = App::new(policy(), route);
    let first = tokio::spawn(app.begin(get("/a").end()));
    pass(Duration::ZERO).await;
    let second = tokio::spawn(app.begin(get("/a").end()));
    pass(Duration::ZERO).await;
    first.abort();
    gate.add_permits(1);
    assert_eq!(second.await.unwrap().status(), 200);
    assert_eq!(app.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_leaves_takes_nothing_along() {
    let app = App::new(policy(), async |_: Request<Body>| answer(200, &[], "body"));
    let mut first = app.begin(get("/a").end()).await.into_body();
    let frame = http_body_util::BodyExt::frame(&mut first);
    assert!(poll_times(0, frame).await.is_none());
    drop(first);
    assert_eq!(app.get("/a").await.text(), "body");
    assert_eq!(app.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_or_without_a_slot() {
    let loads = Loads::default().at_most(NonZeroUsize::MIN).waiting(0, 0);
    let hub = Hub::start(Settings::memory(1 << 20).loads(loads)).unwrap();
    let (gate, route) = gated(&[]);
    let late = lifetimes().timeouts(Timeouts::new(Duration::from_secs(1)));
    let app = App::on(&hub, HttpPolicy::new(late), route);
    let first = tokio::spawn({
        let app = app.clone();
        async move { app.get("/a").await }
    });
    pass(Duration::ZERO).await;
    let refused = app.get("/b").await;
    assert!(matches!(refused.status.as_u16(), 429 | 503), "{refused:?}");
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let late = first.await.unwrap();
    assert_eq!((late.status.as_u16(), late.did()), (503, "detail=refused"));
    // It is stored once it is there.
    gate.add_permits(1);
    pass(Duration::ZERO).await;
    assert_eq!(app.get("/a").await.did(), "hit");
}

#[tokio::test(start_paused = true)]
async fn a_route_that_panics_is_answered_for() {
    let app = App::new(policy(), async |req: Request<Body>| {
        assert!(req.uri().path() != "/a", "the route panics");
        "fine"
    });
    assert_eq!(app.get("/a").await.status, 500);
    assert_eq!(app.get("/b").await.text(), "fine");
}
