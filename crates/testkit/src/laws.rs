//! The laws every layer obeys, each run against any layer by one call.

mod routes;
mod strict;

use std::fmt::Debug;

use http::Request;
use tower::{Layer, Service, ServiceExt};
use towerblock_core::TenantId;

pub use self::{
    routes::{Held, TwoRoutes, shares_state_across_routes},
    strict::Strict,
};

/// Drives `layer` over [`Strict`], on one instance and on clones in turn, with a tenant and
/// without, to the end and dropped before the first poll.
///
/// ```
/// use tower::layer::util::Identity;
/// use towerblock_testkit::laws::obeys_the_service_contract;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// obeys_the_service_contract(Identity::new()).await;
/// # }
/// ```
///
/// # Panics
///
/// When the layer breaks the contract of `tower::Service`: it calls an inner service that
/// was not polled until it was ready, or that has failed, or fails itself.
pub async fn obeys_the_service_contract<L>(layer: L)
where
    L: Layer<Strict>,
    L::Service: Service<Request<String>> + Clone + Send + Sync,
    <L::Service as Service<Request<String>>>::Error: Debug,
    <L::Service as Service<Request<String>>>::Response: Debug,
    <L::Service as Service<Request<String>>>::Future: Send,
{
    for inner in [Strict::prompt(), Strict::slow()] {
        let mut svc = layer.layer(inner);
        for _ in 0..3 {
            serve(&mut svc).await;
            serve(&mut svc.clone()).await;

            // Dropped before its first poll: nothing stays taken.
            drop(ready(&mut svc).await.call(request()));
            // Without a tenant: some layers refuse, and then serve on.
            let _refusal = ready(&mut svc).await.call(Request::default()).await;

            // Polled twice before the call: nothing is taken twice.
            ready(&mut svc).await;
            serve(&mut svc).await;
        }
    }
    // The failure comes out of `poll_ready` or of the one call that follows it,
    // and `Strict` is not called.
    let mut svc = layer.layer(Strict::broken());
    if let Ok(svc) = svc.ready().await {
        let _report = svc.call(request()).await;
    }
}

#[expect(clippy::expect_used, reason = "a broken law should panic")]
async fn serve<S>(svc: &mut S)
where
    S: Service<Request<String>, Error: Debug>,
{
    let called = ready(svc).await.call(request());
    called.await.expect("a good request is served");
}

#[expect(clippy::expect_used, reason = "a broken law should panic")]
async fn ready<S>(svc: &mut S) -> &mut S
where
    S: Service<Request<String>, Error: Debug>,
{
    svc.ready().await.expect("the service becomes ready")
}

fn request() -> Request<String> {
    let mut req = Request::new(String::new());
    req.extensions_mut().insert(acme());
    req
}

#[expect(clippy::expect_used, reason = "a constant")]
fn acme() -> TenantId {
    TenantId::new("acme").expect("a tenant id")
}
