//! Two instances, one Redis.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use tokio::time::{sleep, timeout};
use towerblock_cache::{Hub, Invalidation, Remote, Settings};
use towerblock_redis::Redis;

use crate::support::{App, End, answer, get, policy, tenant};

async fn instance(url: &str) -> App {
    let redis = Redis::connect(towerblock_redis::Settings::from_url(url).unwrap());
    let remote = Remote::new(redis.clone(), "test").unwrap();
    let hub = Hub::start_with(Settings::memory(64 << 20), remote).unwrap();
    let route = async |req: Request<Body>| {
        let language = req.headers().get("accept-language");
        let language = language.map_or(&b"-"[..], http::HeaderValue::as_bytes);
        let headers = [("vary", "accept-language"), ("link", "a"), ("link", "b")];
        answer(200, &headers, [b"\0\xff", language].concat())
    };
    let app = App::on(&hub, policy(), route);
    let mut status = redis.watch();
    let up = status.wait_for(|status| status.writes && status.subscribed);
    timeout(Duration::from_secs(10), up).await.unwrap().unwrap();
    let probe = async || {
        app.cache
            .invalidate(&tenant("probe"), &"/".parse().unwrap())
            .await
    };
    until(async || probe().await == Invalidation::Everywhere).await;
    app
}

async fn until(mut done: impl AsyncFnMut() -> bool) {
    let soon = async {
        while !done().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), soon).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_has_loaded_the_other_serves_and_what_one_forgets_both_do() {
    let server = towerblock_testkit::Redis::builder().start().await.unwrap();
    let (one, other) = (instance(&server.url()).await, instance(&server.url()).await);
    let ask = |language: &str| get("/a").header("accept-language", language).end();
    for language in ["de", "en"] {
        one.send(ask(language)).await;
    }
    assert_eq!(one.asked(), 2);
    // It is stored there after it was answered here.
    until(async || {
        for language in ["de", "en"] {
            let got = other.send(ask(language)).await;
            assert_eq!(got.body, [b"\0\xff", language.as_bytes()].concat());
            assert_eq!(got.headers.get_all("link").iter().count(), 2);
        }
        other.asked() == 0
    })
    .await;
    let write = get("/a").method("PUT").end();
    assert_eq!(other.send(write).await.status, 200);
    other.asked();
    until(async || {
        one.send(ask("de")).await;
        one.asked() > 0
    })
    .await;
}
