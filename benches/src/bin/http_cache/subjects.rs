use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use http_body_util::{BodyExt, Full};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::compression::CompressionLayer;
use tower_http_cache::prelude::{CacheLayer, InMemoryBackend};
use towerblock_cache::{HttpPolicy, Hub, Policy, Settings};
use towerblock_core::{BoxError, TenantId};

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    app: Router,
    tenant: TenantId,
    encoding: Option<&'static str>,
}

const DAY: Duration = Duration::from_secs(86_400);
const URI: &str = "/api/v1/plugins?limit=20";

/// Its other thread moves the clock of the hub.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
}

pub(crate) fn subjects() -> Result<Vec<Subject>, BoxError> {
    let hub = Hub::start(Settings::memory(64 << 20))?;
    let ours = hub.http_cache("plugins", HttpPolicy::new(Policy::ttl(DAY)))?;
    let bare = || Router::new().route("/api/v1/plugins", get(handle));
    let compressed = || bare().layer(CompressionLayer::new());
    let acme = TenantId::new("acme")?;
    let subject = |name, app, encoding| Subject {
        name,
        app,
        tenant: acme.clone(),
        encoding,
    };
    // What it wraps has a body that is `Sync`, which axum's is not.
    let peer = CacheLayer::builder(InMemoryBackend::new(1_000))
        .ttl(DAY)
        .build();
    let plain = service_fn(|_: Request<Body>| async {
        let answer = Response::builder().header(header::CONTENT_TYPE, "application/json");
        Ok::<_, Infallible>(answer.body(Full::from(page())).unwrap_or_default())
    });
    let peer = peer.layer(plain);
    // A router wants a service that does not fail.
    let peer = service_fn(move |req: Request<Body>| {
        let answer = peer.clone().oneshot(req);
        async move {
            Ok::<_, Infallible>(match answer.await {
                Ok(answer) => answer.map(Body::new),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            })
        }
    });
    let peer = Router::new().route_service("/api/v1/plugins", peer);
    let other = axum_response_cache::CacheLayer::with_lifespan(DAY);
    Ok(vec![
        subject("the bare route", bare(), None),
        subject(
            "the route, compressed with gzip",
            compressed(),
            Some("gzip"),
        ),
        subject(
            "a hit of `HttpCacheLayer`",
            compressed().layer(ours.clone()),
            None,
        ),
        subject(
            "a hit, `Accept-Encoding: gzip`",
            compressed().layer(ours),
            Some("gzip"),
        ),
        subject("a hit of tower-http-cache", peer, None),
        subject("a hit of axum-response-cache", bare().layer(other), None),
    ])
}

impl Subject {
    /// Both encodings are asked for, so that the one that is measured is not the first.
    pub(crate) async fn warm(&self) {
        self.ask(None).await;
        self.ask(self.encoding).await;
    }

    pub(crate) async fn run(&self, requests: usize) {
        for _ in 0..requests {
            self.ask(self.encoding).await;
        }
    }

    async fn ask(&self, encoding: Option<&'static str>) {
        let mut req = Request::get(URI).extension(self.tenant.clone());
        if let Some(encoding) = encoding {
            req = req.header(header::ACCEPT_ENCODING, encoding);
        }
        let req = req.body(Body::empty()).expect("a request");
        let response = self.app.clone().oneshot(req).await;
        let response = match response {
            Ok(response) => response,
            Err(never) => match never {},
        };
        assert_eq!(response.status(), StatusCode::OK, "{}", self.name);
        let body = response.into_body().collect().await.expect("a body");
        let plain = encoding.is_none();
        assert_eq!(body.to_bytes().len() > 3_000, plain, "{}", self.name);
    }
}

async fn handle() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], page())
}

/// Some 4 kB of JSON, of rows that are in memory.
fn page() -> Vec<u8> {
    let rows: Vec<_> = (0..20).map(row).collect();
    serde_json::to_vec(&rows).unwrap_or_default()
}

fn row(nth: u32) -> serde_json::Value {
    serde_json::json!({
        "id": 4_711 + nth,
        "name": format!("plugin {nth}"),
        "description": "It does what its name says, and a little more than that, for whoever asks.",
        "version": "1.2.3",
        "downloads": nth * 1_000,
        "updated": "2026-11-21T12:00:00Z",
    })
}
