#![expect(
    clippy::expect_used,
    reason = "a measurement that went wrong must not print a figure"
)]

use axum::Router;
use tower::ServiceBuilder;
use tower::layer::util::Identity;
use tower_http::add_extension::AddExtensionLayer;

use towerblock_core::TenantId;
use towerblock_floor::{bare, ordinary};
use towerblock_lifecycle::{Deadlines, InFlightLayer, Lifecycle};
use towerblock_tenant::{Isolation, MemoryStore, Registry, Subdomain, Tenant, TenantLayer};

use crate::wire;

/// With their rows in memory; a lookup costs the same among 10,000.
const TENANTS: usize = 10;

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

pub(crate) fn config() -> marketplace::Config {
    marketplace::Config::read(["server", "--plans", PLANS].map(Into::into))
        .expect("the environment holds no wrong setting of the server")
}
