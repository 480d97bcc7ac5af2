//! What a real Prometheus makes of the page, of the dashboards and of the rules.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up should panic"
)]

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::extract::Path as Segment;
use axum::routing::get;
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::{ServiceBuilder, ServiceExt as _};
use towerblock_core::{Reason, Rejected, TenantId};
use towerblock_metrics::{
    Exporter, Exposition, Exposure, HttpMetricsLayer, Process, TenantBoard, TenantBoardLayer,
    Upkeep,
};
use towerblock_testkit::{Prometheus, Sample};

mod boards;
mod page;
mod series;

/// An application with a page, and who looks after it.
struct App {
    router: Router,
    page: Exposition,
    board: TenantBoard,
    addr: SocketAddr,
    server: JoinHandle<()>,
    _upkeep: Upkeep,
}

impl App {
    async fn start(exposure: Exposure) -> Self {
        let board = TenantBoard::new(exposure);
        let page = Exporter::new().board(board.clone()).stats(Process);
        let page = page.start().unwrap();
        let router = Router::new().route("/plugins/{id}", get(plugin)).layer(
            ServiceBuilder::new()
                .layer(HttpMetricsLayer::matched_path().recorder(page.recorder()))
                .layer(TenantBoardLayer::new(board.clone())),
        );
        let operators: Router = Router::new().route_service("/metrics", page.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, operators).await.unwrap() });
        let upkeep = page.upkeep();
        Self {
            router,
            page,
            board,
            addr,
            server,
            _upkeep: upkeep,
        }
    }

    /// A request of this tenant, and its answer to the last byte.
    async fn ask(&self, tenant: Option<&str>, method: &str, path: &str) -> StatusCode {
        let req = Request::builder().method(method).uri(path);
        let mut req = req.body(Body::from("four")).unwrap();
        if let Some(tenant) = tenant {
            req.extensions_mut().insert(self::tenant(tenant));
        }
        let response = self.router.clone().oneshot(req).await.unwrap();
        let status = response.status();
        response.into_body().collect().await.unwrap();
        status
    }

    /// One whose client goes away before it is answered.
    fn leave(&self, tenant: &str) {
        let left = self.ask(Some(tenant), "GET", "/plugins/never");
        assert_eq!(left.now_or_never(), None);
    }

    /// All that can happen, once.
    async fn load(&self) {
        for tenant in [Some("acme"), Some("globex"), None] {
            for path in [
                "/plugins/7",
                "/plugins/broken",
                "/plugins/refused",
                "/nowhere",
            ] {
                self.ask(tenant, "GET", path).await;
            }
        }
        self.leave("acme");
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn plugin(Segment(id): Segment<String>) -> Response<Body> {
    let mut response = Response::new(Body::from("a plugin"));
    match id.as_str() {
        "never" => std::future::pending().await,
        "broken" => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
        "refused" => {
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            let rejected = Rejected::new("test", Reason::RateLimited);
            response.extensions_mut().insert(rejected);
        }
        _ => {}
    }
    response
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

async fn scraped(app: &App) -> Prometheus {
    let prometheus = Prometheus::builder().scrape("app", app.addr);
    prometheus.start().await.unwrap()
}

async fn number(prometheus: &Prometheus, query: &str) -> f64 {
    let samples = prometheus.query(query).await.unwrap();
    assert_eq!(samples.len(), 1, "{query}: {samples:?}");
    samples[0].value
}

fn is(expected: f64) -> impl Fn(&[Sample]) -> bool {
    move |samples| samples.iter().map(|sample| sample.value).eq([expected])
}

fn shipped(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/observability");
    std::fs::read_to_string(folder.join(file)).unwrap()
}
