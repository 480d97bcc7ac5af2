//! `cargo run --example http_cache`: what clients see of a cache: a hit, a 304, encodings, who is
//! passed by, a write, and a stale answer while the route fails.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Extension, State};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, http::header};
use tokio::time::sleep;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::compression::CompressionLayer;
use towerblock_cache::{HttpPolicy, Hub, Policy, Settings};
use towerblock_core::{BoxError, TenantId};
use towerblock_respond::RespondLayer;

/// What the handler does, and how often it did.
#[derive(Clone, Default)]
struct Shop {
    asked: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

async fn list(State(shop): State<Shop>, Extension(tenant): Extension<TenantId>) -> Response {
    shop.asked.fetch_add(1, Ordering::Relaxed);
    if shop.fails.load(Ordering::Relaxed) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let plugin = format!("a plugin of {}\n", tenant.as_str());
    let headers = [
        (header::ETAG, "\"7\""),
        (header::CONTENT_TYPE, "text/plain"),
    ];
    (headers, plugin.repeat(100)).into_response()
}

struct Client {
    app: Router,
    shop: Shop,
}

struct Got {
    status: u16,
    headers: HeaderMap,
    asked: usize,
}

impl Got {
    fn did(&self, what: &str) -> bool {
        let did = self.headers.get("cache-status");
        let did = did.and_then(|it| it.to_str().ok()).unwrap_or_default();
        did.contains(what)
    }
}

impl Client {
    async fn curl(&self, args: &str, req: Builder) -> Result<Got, BoxError> {
        let response = self.app.clone().oneshot(req.body(Body::empty())?).await?;
        let (head, body) = response.into_parts();
        let length = to_bytes(body, usize::MAX).await?.len();
        println!("$ curl -i {args}");
        println!("HTTP/1.1 {}", head.status);
        for name in [
            "cache-status",
            "age",
            "cache-control",
            "content-encoding",
            "x-degraded",
        ] {
            if let Some(value) = head.headers.get(name) {
                println!("{name}: {}", value.to_str()?);
            }
        }
        println!("  {length} bytes\n");
        Ok(Got {
            status: head.status.as_u16(),
            headers: head.headers,
            asked: self.shop.asked.swap(0, Ordering::Relaxed),
        })
    }
}

fn of(tenant: &str, method: &str) -> Result<Builder, BoxError> {
    // In place of a `TenantLayer`.
    let tenant = TenantId::new(tenant)?;
    Ok(Request::builder()
        .method(method)
        .uri("/plugins")
        .extension(tenant))
}

fn client(hub: &Hub) -> Result<Client, BoxError> {
    let lifetimes = Policy::ttl(Duration::from_millis(800))
        .jitter_percent(0)
        .stale_if_error(Duration::from_secs(3_600));
    let policy = HttpPolicy::new(lifetimes).cache_control("private, no-cache".parse()?);
    let shop = Shop::default();
    let app = Router::new()
        .route("/plugins", get(list).post(|| async {}))
        .with_state(shop.clone())
        .layer(
            ServiceBuilder::new()
                // Tells of stale answers in `x-degraded`.
                .layer(RespondLayer::new())
                // Outside compression: what is stored is encoded.
                .layer(hub.http_cache("plugins", policy)?)
                .layer(CompressionLayer::new()),
        );
    Ok(Client { app, shop })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let hub = Hub::start(Settings::memory(64 << 20))?;
    let client = client(&hub)?;
    let url = "acme.localhost/plugins";

    let got = client.curl(url, of("acme", "GET")?).await?;
    assert!(got.did("stored") && got.asked == 1);
    let got = client.curl(url, of("acme", "GET")?).await?;
    assert!(got.did("hit") && got.asked == 0);

    let knows = of("acme", "GET")?.header(header::IF_NONE_MATCH, "\"7\"");
    let got = client
        .curl(&format!("-H 'If-None-Match: \"7\"' {url}"), knows)
        .await?;
    assert!(got.status == 304 && got.asked == 0);

    for asked in [1, 0] {
        let gzip = of("acme", "GET")?.header(header::ACCEPT_ENCODING, "gzip");
        let got = client
            .curl(&format!("-H 'Accept-Encoding: gzip' {url}"), gzip)
            .await?;
        assert!(got.asked == asked);
    }

    let got = client
        .curl("globex.localhost/plugins", of("globex", "GET")?)
        .await?;
    assert!(got.did("stored") && got.asked == 1);

    let user = of("acme", "GET")?.header(header::AUTHORIZATION, "Bearer ada");
    let got = client
        .curl(&format!("-H 'Authorization: Bearer ada' {url}"), user)
        .await?;
    assert!(got.did("credentials") && got.asked == 1);

    let got = client
        .curl(&format!("-X POST {url}"), of("acme", "POST")?)
        .await?;
    assert!(got.did("fwd=method"));
    let got = client.curl(url, of("acme", "GET")?).await?;
    assert!(got.did("stored") && got.asked == 1);

    println!("a second later, and the handler fails\n");
    sleep(Duration::from_secs(1)).await;
    client.shop.fails.store(true, Ordering::Relaxed);
    let got = client.curl(url, of("acme", "GET")?).await?;
    assert!(got.status == 200 && got.headers.contains_key("x-degraded"));

    hub.shutdown(Duration::from_secs(1)).await;
    Ok(())
}
