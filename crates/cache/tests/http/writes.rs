//! What a write forgets, and what a tag does.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use towerblock_testkit::poll_times;

use crate::support::{App, End, answer, get, pass, policy, tenant};

/// Answers reads and writes, the latter with the status that is asked for.
async fn route(req: Request<Body>) -> http::Response<Body> {
    if req.method().is_safe() {
        return answer(200, &[("surrogate-key", "list user:7")], "");
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let status = req.headers().get("x-status").unwrap().to_str().unwrap();
    answer(status.parse().unwrap(), &[], "")
}

#[tokio::test(start_paused = true)]
async fn a_write_forgets_its_uri_for_its_tenant_alone() {
    let app = App::new(policy(), route);
    let other = || Request::get("/a").extension(tenant("globex")).end();
    app.send(other()).await;
    for (method, status, stays) in [
        ("PUT", "200", false),
        ("POST", "303", false),
        ("DELETE", "204", false),
        // Nobody knows what it has done.
        ("PATCH", "500", false),
        ("PUT", "409", true),
    ] {
        app.get("/a").await;
        app.get("/b").await;
        let req = get("/a").method(method).header("x-status", status).end();
        assert_eq!(app.send(req).await.did(), "fwd=method");
        assert_eq!(
            app.get("/a").await.did() == "hit",
            stays,
            "{method} {status}"
        );
        assert_eq!(app.get("/b").await.did(), "hit");
        assert_eq!(app.send(other()).await.did(), "hit");
    }
    let req = Request::put("/a").header("x-status", "200").end();
    assert_eq!(app.send(req).await.did(), "fwd=bypass; detail=no-tenant");
    assert_eq!(app.get("/a").await.did(), "hit");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_its_client_has_left_forgets() {
    let app = App::new(policy(), route);
    app.get("/a").await;
    let write = || get("/a").method("PUT").header("x-status", "200").end();
    assert!(poll_times(1, app.begin(write())).await.is_none());
    assert_eq!(app.get("/a").await.did(), "fwd=uri-miss; stored");
    // What was loaded before the write was answered is not stored after it.
    let writing = app.begin(write());
    let (written, _) = tokio::join!(writing, app.get("/a"));
    assert_eq!(written.status(), 200);
    assert_eq!(app.get("/a").await.did(), "fwd=uri-miss; stored");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_forgotten_with_each_of_its_tags_which_nobody_sees() {
    let app = App::new(policy(), route);
    let acme = tenant("acme");
    for tag in ["list", "user:7"] {
        assert_eq!(app.get("/a").await.header("surrogate-key"), "");
        assert_eq!(app.get("/a").await.did(), "hit");
        let _reached = app.cache.invalidate_tag(&tenant("globex"), tag).await;
        assert_eq!(app.get("/a").await.did(), "hit");
        let _reached = app.cache.invalidate_tag(&acme, tag).await;
        assert_eq!(app.get("/a").await.did(), "fwd=uri-miss; stored");
    }
    let _reached = app.cache.invalidate_all(&acme).await;
    assert_eq!(app.get("/a").await.did(), "fwd=uri-miss; stored");
    // Not of what passes by either.
    let passed = app.send(Request::get("/a").end()).await;
    assert_eq!(passed.header("surrogate-key"), "");
    pass(Duration::ZERO).await;
}
