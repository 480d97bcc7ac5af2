//! `Vary`, and answers that are encoded.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::compression::CompressionLayer;

use crate::support::{App, End, answer, get, hub, policy};

async fn by_language(req: Request<Body>) -> Response<Body> {
    let language = req.headers().get("accept-language");
    let text = language
        .map_or("none", |it| it.to_str().unwrap())
        .to_owned();
    answer(200, &[("vary", "Accept-Language")], text)
}

#[tokio::test(start_paused = true)]
async fn each_selection_has_its_own_answer() {
    let app = App::new(policy(), by_language);
    let ask = async |language: Option<&str>| {
        let req = get("/a");
        app.send(match language {
            Some(language) => req.header("accept-language", language).end(),
            None => req.end(),
        })
        .await
    };
    for (language, did) in [
        (Some("de"), "fwd=uri-miss; stored"),
        (Some("en"), "fwd=vary-miss; stored"),
        (None, "fwd=vary-miss; stored"),
        (Some("de"), "hit"),
        (Some("en"), "hit"),
        (None, "hit"),
    ] {
        let got = ask(language).await;
        assert_eq!((got.text(), got.did()), (language.unwrap_or("none"), did));
    }
    assert_eq!(app.asked(), 3);
    // All of them are forgotten with their URI.
    let acme = crate::support::tenant("acme");
    let _reached = app.cache.invalidate(&acme, &"/a".parse().unwrap()).await;
    for language in ["de", "en"] {
        assert!(ask(Some(language)).await.did().starts_with("fwd="));
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_another_variant_get_their_own() {
    let slow = async |req: Request<Body>| {
        tokio::task::yield_now().await;
        by_language(req).await
    };
    let app = App::new(policy(), slow);
    let languages = ["de", "en", "fr", "de", "en", "fr"];
    let asks = languages.map(|language| {
        let app = app.clone();
        let req = get("/a").header("accept-language", language).end();
        tokio::spawn(async move { app.send(req).await })
    });
    for (ask, language) in asks.into_iter().zip(languages) {
        assert_eq!(ask.await.unwrap().text(), language);
    }
    assert_eq!(app.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_varies_otherwise_than_the_first_is_passed_on() {
    let odd = async |req: Request<Body>| match req.headers().get("x-a") {
        Some(_) => answer(200, &[("vary", "x-b")], "a"),
        None => answer(200, &[("vary", "x-a")], "none"),
    };
    let app = App::new(policy(), odd);
    let ask = async |b: &str| {
        app.send(get("/a").header("x-a", "1").header("x-b", b).end())
            .await
    };
    assert_eq!(app.get("/a").await.text(), "none");
    assert_eq!(ask("1").await.text(), "a");
    assert_eq!(ask("2").await.did(), "fwd=vary-miss");
    assert_eq!(app.get("/a").await.did(), "hit");
}

#[tokio::test(start_paused = true)]
async fn an_encoded_answer_is_served_as_it_was_stored() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let route = service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::SeqCst);
        let text = answer(
            200,
            &[("content-type", "text/plain")],
            "text ".repeat(1_000),
        );
        async { Ok::<_, Infallible>(text) }
    });
    let cache = hub().http_cache("route", policy()).unwrap();
    let inner = ServiceBuilder::new()
        .layer(CompressionLayer::new())
        .service(route);
    let service = cache.layer(inner);
    let ask = async |encoding: &str| {
        let req = get("/a").header("accept-encoding", encoding).end();
        let (head, body) = service.clone().oneshot(req).await.unwrap().into_parts();
        (head.headers, body.collect().await.unwrap().to_bytes())
    };
    let (_, gzipped) = ask("gzip").await;
    let (_, plain) = ask("identity").await;
    assert!(gzipped.len() < 200 && plain.len() == 5_000);
    for _ in 0..2 {
        let (headers, body) = ask("gzip").await;
        assert_eq!(headers["content-encoding"], "gzip");
        let length = gzipped.len().to_string();
        assert_eq!(
            (headers["content-length"].as_bytes(), &body),
            (length.as_bytes(), &gzipped)
        );
        let (headers, body) = ask("identity").await;
        assert!(!headers.contains_key("content-encoding"));
        assert_eq!(body, plain);
    }
    assert_eq!(made.load(Ordering::SeqCst), 2);
}
