//! RFC 9111 and 9110, as one client sees them.

use std::time::Duration;

use axum::body::Body;
use http::Request;

use crate::support::{App, End, TTL, answer, counting, get, pass, policy};

#[tokio::test(start_paused = true)]
async fn a_hit_has_its_age_and_says_how_long_it_lasts() {
    let app = App::new(policy(), counting(200, &[("age", "7")]));
    let first = app.get("/a").await;
    assert_eq!(
        (first.text(), first.did()),
        ("answer 1", "fwd=uri-miss; stored")
    );
    pass(Duration::from_secs(5)).await;
    let hit = app.get("/a").await;
    assert_eq!(
        (hit.text(), hit.did(), hit.header("age")),
        ("answer 1", "hit", "12")
    );
    assert_eq!(hit.header("cache-status"), "route; hit; ttl=54");
    pass(TTL).await;
    assert_eq!(app.get("/a").await.text(), "answer 2");
}

#[tokio::test(start_paused = true)]
async fn the_policy_wins_over_the_lifetime_that_the_route_names() {
    let app = App::new(policy(), counting(200, &[("cache-control", "max-age=1")]));
    app.get("/a").await;
    pass(TTL / 2).await;
    let hit = app.get("/a").await;
    assert_eq!(
        (hit.did(), hit.header("cache-control")),
        ("hit", "max-age=1")
    );
    let told = policy().cache_control("private, no-cache".parse().unwrap());
    let app = App::new(told, counting(200, &[("cache-control", "max-age=1")]));
    for _ in 0..2 {
        assert_eq!(
            app.get("/a").await.header("cache-control"),
            "private, no-cache"
        );
    }
    assert_eq!(app.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_for_storing_is_not_stored() {
    for headers in [
        &[("cache-control", "private")][..],
        &[("cache-control", "no-store")],
        &[("cache-control", "no-cache")],
        &[
            ("set-cookie", "a=b"),
            ("cache-control", "public, max-age=60"),
        ],
        &[("vary", "*")],
        &[("vary", "cookie")],
        &[("content-range", "bytes 0-7/20")],
    ] {
        let app = App::new(policy(), counting(200, headers));
        for text in ["answer 1", "answer 2", "answer 3"] {
            let got = app.get("/a").await;
            assert_eq!(got.text(), text, "{headers:?}");
            assert!(!got.did().starts_with("hit"), "{headers:?}");
            assert_eq!(got.header(headers[0].0), headers[0].1);
        }
    }
    for status in [201, 206, 302, 404, 500, 503] {
        let app = App::new(policy(), counting(status, &[]));
        for text in ["answer 1", "answer 2"] {
            let got = app.get("/a").await;
            assert_eq!((got.status.as_u16(), got.text()), (status, text));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_may_want_no_stored_answer_or_only_one() {
    let app = App::new(policy(), counting(200, &[]));
    let ask = async |name: &str, value: &str| app.send(get("/a").header(name, value).end()).await;
    let none = ask("cache-control", "only-if-cached").await;
    assert_eq!((none.status.as_u16(), app.asked()), (504, 0));
    assert_eq!(app.get("/a").await.text(), "answer 1");
    pass(Duration::from_secs(10)).await;
    for (name, value, did) in [
        ("cache-control", "only-if-cached", "hit"),
        ("cache-control", "max-age=11", "hit"),
        ("cache-control", "min-fresh=40", "hit"),
        ("cache-control", "max-age=9", "fwd=request"),
        ("cache-control", "min-fresh=51", "fwd=request"),
        ("cache-control", "No-Cache", "fwd=request"),
        ("pragma", "no-cache", "fwd=request"),
        ("cache-control", "no-store", "fwd=bypass; detail=no-store"),
    ] {
        assert_eq!(ask(name, value).await.did(), did, "{value}");
    }
    // What was passed on was not stored.
    assert_eq!(app.get("/a").await.text(), "answer 1");
}

#[tokio::test(start_paused = true)]
async fn head_is_answered_from_get() {
    let app = App::new(policy(), counting(200, &[("content-type", "text/plain")]));
    let head = async || app.send(get("/a").method("HEAD").end()).await;
    let miss = head().await;
    assert_eq!(
        (miss.did(), miss.header("content-length")),
        ("fwd=uri-miss; stored", "8")
    );
    let got = app.get("/a").await;
    assert_eq!((got.did(), got.text()), ("hit", "answer 1"));
    let hit = head().await;
    assert_eq!(
        (hit.did(), hit.text(), hit.header("content-length")),
        ("hit", "", "8")
    );
    let private = App::new(policy(), counting(200, &[("cache-control", "private")]));
    let passed = private.send(get("/a").method("HEAD").end()).await;
    assert_eq!(passed.text(), "");
}

#[tokio::test(start_paused = true)]
async fn conditions_are_answered_from_what_is_stored() {
    let then = "Sun, 06 Nov 1994 08:49:37 GMT";
    let headers = &[
        ("etag", "W/\"1\""),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("content-type", "text/plain"),
    ];
    let app = App::new(policy(), counting(200, headers));
    // Also when it is loaded for this: the route is asked for all of it.
    for did in ["fwd=uri-miss; stored", "hit", "hit"] {
        let got = app
            .send(get("/a").header("if-none-match", "\"1\"").end())
            .await;
        assert_eq!((got.status.as_u16(), got.text(), got.did()), (304, "", did));
        assert_eq!(
            (got.header("etag"), got.header("content-type")),
            ("W/\"1\"", "")
        );
    }
    assert_eq!((app.asked(), app.seen("if-none-match")), (1, None));
    let since = app
        .send(get("/a").header("if-modified-since", then).end())
        .await;
    assert_eq!(since.status, 304);
    let other = app
        .send(get("/a").header("if-none-match", "\"2\"").end())
        .await;
    assert_eq!((other.status.as_u16(), other.text()), (200, "answer 1"));
    // Of what is not stored, too.
    let private = &[("etag", "\"1\""), ("cache-control", "private")];
    let app = App::new(policy(), counting(200, private));
    let got = app
        .send(get("/a").header("if-none-match", "\"1\"").end())
        .await;
    assert_eq!((got.status.as_u16(), got.text()), (304, ""));
}

#[tokio::test(start_paused = true)]
async fn a_range_of_what_is_stored_and_no_part_is_stored() {
    let route = async |req: Request<Body>| match req.headers().get("range") {
        Some(_) => answer(206, &[("content-range", "bytes 0-1/8")], "01"),
        None => answer(200, &[("etag", "\"1\"")], "01234567"),
    };
    let app = App::new(policy(), route);
    let part = async |range: &str| app.send(get("/a").header("range", range).end()).await;
    let passed = part("bytes=0-1").await;
    assert_eq!((passed.status.as_u16(), passed.text()), (206, "01"));
    assert_eq!(passed.did(), "fwd=bypass; detail=range");
    assert_eq!(app.get("/a").await.did(), "fwd=uri-miss; stored");
    for (range, status, text, says) in [
        ("bytes=2-3", 206, "23", "bytes 2-3/8"),
        ("bytes=-2", 206, "67", "bytes 6-7/8"),
        ("bytes=8-", 416, "", "bytes */8"),
        ("bytes=0-1,3-4", 200, "01234567", ""),
    ] {
        let got = part(range).await;
        assert_eq!(
            (got.status.as_u16(), got.text(), got.did()),
            (status, text, "hit")
        );
        assert_eq!(got.header("content-range"), says);
        assert_eq!(got.header("content-length"), text.len().to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_passed_on_as_they_come_and_long_bodies_whole() {
    let endless = async |_: Request<Body>| {
        let events = futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
        answer(
            200,
            &[("content-type", "text/event-stream")],
            Body::from_stream(events),
        )
    };
    let app = App::new(policy(), endless);
    let response = app.begin(get("/a").end()).await;
    assert_eq!(
        response.headers()["cache-status"],
        "route; fwd=uri-miss; stored=?0"
    );

    let long = async |_: Request<Body>| {
        let parts = (0..10).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 100]));
        Body::from_stream(futures_util::stream::iter(parts))
    };
    let app = App::new(policy().max_body_bytes(999), long);
    for _ in 0..2 {
        assert_eq!(app.get("/a").await.body.len(), 1_000);
    }
    assert_eq!(app.asked(), 2);
    let app = App::new(policy().max_body_bytes(1_000), long);
    for _ in 0..2 {
        assert_eq!(app.get("/a").await.body.len(), 1_000);
    }
    assert_eq!(app.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn half_a_body_is_never_stored() {
    let broken = async |_: Request<Body>| {
        let parts = [Ok("half"), Err(std::io::Error::other("gone"))];
        Body::from_stream(futures_util::stream::iter(parts))
    };
    let app = App::new(policy(), broken);
    for _ in 0..2 {
        let response = app.begin(get("/a").end()).await;
        let read = http_body_util::BodyExt::collect(response.into_body()).await;
        assert!(read.is_err());
    }
    let short = async |_: Request<Body>| answer(200, &[("content-length", "9")], "half");
    let short = App::new(policy(), short);
    for _ in 0..2 {
        short.get("/a").await;
    }
    assert_eq!((app.asked(), short.asked()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_passed_on_while_it_comes() {
    let slow = async |_: Request<Body>| {
        let parts = futures_util::stream::unfold(0, async |nth| {
            tokio::time::sleep(Duration::from_millis(300)).await;
            (nth < 10).then_some((Ok::<_, std::io::Error>("x"), nth + 1))
        });
        Body::from_stream(parts)
    };
    let app = App::new(policy(), slow);
    assert_eq!(app.get("/a").await.text(), "xxxxxxxxxx");
    assert_eq!(app.get("/a").await.did(), "fwd=bypass; detail=hit-for-miss");
}
