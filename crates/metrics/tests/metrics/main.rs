//! What a user of the layers, the board and the page relies on.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::convert::Infallible;
use std::num::NonZeroUsize;

use http::{Request, Response};
use tower::{Service, ServiceExt};
use towerblock_core::TenantId;
use towerblock_metrics::{
    Exporter, Exposition, Exposure, HttpMetrics, HttpMetricsFuture, HttpMetricsLayer, MeteredBody,
    OnTenantBoard, Process, TenantBoard, TenantBoardFuture, TenantBoardLayer, Upkeep,
};

mod board;
mod conservation;
mod fleet;
mod flood;
mod page;
mod routes;

#[test]
fn auto_traits() {
    fn shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn movable<T: Send + Sync + Unpin + 'static>() {}
    shareable::<HttpMetricsLayer>();
    shareable::<HttpMetrics<()>>();
    movable::<HttpMetricsFuture<()>>();
    movable::<MeteredBody<()>>();
    shareable::<TenantBoard>();
    shareable::<TenantBoardLayer>();
    shareable::<OnTenantBoard<()>>();
    movable::<TenantBoardFuture<()>>();
    shareable::<Exporter>();
    shareable::<Exposition>();
    shareable::<Exposure>();
    shareable::<Process>();
    movable::<Upkeep>();
}

fn n(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn from(tenant: &str) -> Request<String> {
    let mut req = Request::new(String::new());
    req.extensions_mut().insert(self::tenant(tenant));
    req
}

/// A page, and the layer of the fleet that counts on it.
fn fleet() -> (Exposition, HttpMetricsLayer) {
    let page = Exporter::new().start().unwrap();
    let layer = HttpMetricsLayer::new().recorder(page.recorder());
    (page, layer)
}

/// The sum of all samples of this name with all of these labels.
fn told(page: &str, name: &str, labels: &[&str]) -> f64 {
    let lines = page.lines().filter(|line| {
        let of = line.split(['{', ' ']).next();
        of == Some(name) && labels.iter().all(|label| line.contains(label))
    });
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

async fn send<S, R>(svc: &mut S, req: Request<String>) -> Response<R>
where
    S: Service<Request<String>, Response = Response<R>, Error = Infallible>,
{
    svc.ready().await.unwrap().call(req).await.unwrap()
}
