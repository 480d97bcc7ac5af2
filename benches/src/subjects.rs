#![expect(
    clippy::expect_used,
    reason = "a measurement that went wrong must not print a figure"
)]

use std::fmt::Write;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::routing::get;
use bytes::Bytes;
use tower::ServiceBuilder;
use tower::layer::util::Identity;
use tower_http::add_extension::AddExtensionLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;
use tower_http::cors::CorsLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use towerblock_core::TenantId;
use towerblock_lifecycle::{Deadlines, InFlightLayer, Lifecycle};
use towerblock_tenant::{Isolation, MemoryStore, Registry, Subdomain, Tenant, TenantLayer};

use crate::wire;

/// With their rows in memory; a lookup costs the same among 10,000.
const TENANTS: usize = 10;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// All that is measured. What comes first is what the others are compared with.
pub const SUBJECTS: &[Subject] = &[
    Subject::new("bare axum", bare),
    Subject::new("identity layer, extensions in use", identity),
    Subject::new("`TenantLayer` in its place", tenant),
    Subject::new("`InFlightLayer` in its place", in_flight),
    Subject::new("axum + tower-http layers", layered),
    Subject::new("the server's stack", stacked),
    Subject::new("the server, rows in memory", server),
];

/// A router that answers `GET /api/v1/plugins`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Subject {
    /// Its row in the table.
    pub name: &'static str,
    router: fn() -> Router,
}

impl Subject {
    const fn new(name: &'static str, router: fn() -> Router) -> Self {
        Self { name, router }
    }

    /// The subject of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        SUBJECTS
            .iter()
            .copied()
            .find(|subject| subject.name == name)
    }

    /// Answers so many requests, one after the other over one connection; the length of
    /// each body.
    ///
    /// # Panics
    ///
    /// When an answer is not 200, or as long as the first.
    #[must_use]
    pub fn serve(&self, requests: u32) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime without I/O");
        // A cache that the server has begins its tasks in here.
        let _entered = runtime.enter();
        // As `axum::serve` does, so that layers are not put around a handler for each request.
        let router: Router = (self.router)().with_state(());
        wire::exchange(&runtime, router, requests)
    }
}

/// The floor: one route, no layer.
fn bare() -> Router {
    let body = Bytes::from(plugins());
    let json = (
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let answer = move || async move { ([json], body) };
    Router::new().route("/api/v1/plugins", get(answer))
}

/// A layer that does nothing, where a server has left something in the extensions, as all
/// do: the peer's address, the matched path.
fn identity() -> Router {
    bare().layer(
        ServiceBuilder::new()
            .layer(AddExtensionLayer::new(Peer))
            .layer(Identity::new()),
    )
}

/// The tenant by subdomain, from a registry that knows it.
fn tenant() -> Router {
    let id = TenantId::new("acme").expect("a valid name");
    let acme = Tenant::new(id, 1, Isolation::RowLevel);
    let registry = Registry::new(MemoryStore::from_iter([acme]));
    let subdomain = Subdomain::of(["localhost"]).expect("a valid domain");
    bare().layer(
        ServiceBuilder::new()
            .layer(AddExtensionLayer::new(Peer))
            .layer(TenantLayer::new(registry).resolver(subdomain)),
    )
}

/// Each request counted for a service that may have to wait for it.
fn in_flight() -> Router {
    let lifecycle = Lifecycle::new(Deadlines::default());
    bare().layer(
        ServiceBuilder::new()
            .layer(AddExtensionLayer::new(Peer))
            .layer(InFlightLayer::new(&lifecycle)),
    )
}

#[derive(Clone)]
struct Peer;

fn layered() -> Router {
    ordinary(bare())
}

/// What any service puts around its routes, before it has a single tenant.
pub fn ordinary(routes: Router) -> Router {
    let origin = HeaderValue::from_static("https://app.example.com");
    routes.layer(
        ServiceBuilder::new()
            // Outermost, so that the span below can name the id.
            .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
            // Outside everything that answers: each outcome has its span.
            .layer(TraceLayer::new_for_http())
            // Under the trace, so that the answer it sees already has the id.
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            // Outside everything that refuses: a browser must be able to read refusals.
            .layer(CorsLayer::new().allow_origin(origin))
            // Outside all code that may panic.
            .layer(CatchPanicLayer::new())
            // Around the handler and the compression of what it answers.
            .layer(TimeoutLayer::with_status_code(
                StatusCode::GATEWAY_TIMEOUT,
                Duration::from_secs(10),
            ))
            // Innermost: it sees the body as the handler made it.
            .layer(CompressionLayer::new().compress_when(SizeAbove::new(1_024))),
    )
}

/// The same route in the example server's stack.
fn stacked() -> Router {
    marketplace::around(bare(), &config(), TENANTS).expect("the server's own settings are right")
}

/// The example server itself: the stack, and a handler that reads, sorts and serialises.
fn server() -> Router {
    marketplace::in_memory(&config(), TENANTS).expect("the server's own settings are right")
}

/// Nobody is refused for being too fast.
const PLANS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/tests/server/roomy.toml"
);

fn config() -> marketplace::Config {
    marketplace::Config::read(["server", "--plans", PLANS].map(Into::into))
        .expect("the environment holds no wrong setting of the server")
}

/// A page of plugins, some 1.2 kB.
fn plugins() -> String {
    let mut json = String::from(r#"{"items":["#);
    for id in 1..=10 {
        let comma = if id == 1 { "" } else { "," };
        let written = write!(
            json,
            r#"{comma}{{"id":{id},"name":"plugin-{id:04}","team":{team},"version":"1.{id}.0","summary":"What plugin {id} does, in one short sentence."}}"#,
            team = id % 3,
        );
        debug_assert!(written.is_ok(), "a string takes all that is written");
    }
    json.push_str(r#"],"next":null}"#);
    json
}
