//! What a user of the layers relies on.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::num::NonZeroUsize;

use http::Request;
use towerblock_core::{BoxError, Reason, Rejected, Stats, TenantId, Value};

mod body;
mod bulkhead;
mod layer;
mod measure;
mod server;
mod simulation;

fn n(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

fn from(tenant: &str) -> Request<()> {
    let mut req = Request::new(());
    req.extensions_mut().insert(TenantId::new(tenant).unwrap());
    req
}

fn rejected(error: &BoxError) -> Rejected {
    *error.downcast_ref().unwrap()
}

fn reason(error: &BoxError) -> Reason {
    rejected(error).reason()
}

/// One number of a layer's.
fn told(stats: &dyn Stats, name: &str, label: &str) -> f64 {
    let mut found = None;
    stats.read(&mut |metric, its_label, value| {
        assert!(stats.describe().contains(metric));
        if (metric.name, its_label) == (name, label) {
            found = match value {
                Value::Count(count) => Some(count as f64),
                Value::Level(level) => Some(level),
                _ => None,
            };
        }
    });
    found.unwrap()
}

/// Compiles, or a caller's `Arc`, `Router` or `Buffer` breaks.
#[test]
fn auto_traits() {
    use towerblock_shed::{
        Adaptive, Bulkhead, BulkheadLayer, Class, Hold, HoldFuture, HoldLayer, Limit,
        ResponseFuture, Shed, ShedBody, ShedLayer,
    };
    fn shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn sendable<T: Send + Sync + Unpin + 'static>() {}
    shareable::<Adaptive>();
    shareable::<Bulkhead<()>>();
    shareable::<BulkheadLayer>();
    shareable::<Class>();
    shareable::<Hold<Shed<()>>>();
    shareable::<HoldLayer<ShedLayer>>();
    shareable::<Limit>();
    shareable::<Shed<()>>();
    shareable::<ShedLayer>();
    sendable::<HoldFuture<()>>();
    sendable::<ResponseFuture<()>>();
    sendable::<ShedBody<()>>();
}
