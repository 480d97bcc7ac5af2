//! What a request allocates for being counted.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::ready;

use allocation_counter::measure;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use tower::{Service, ServiceBuilder, service_fn};
use towerblock_core::TenantId;
use towerblock_metrics::{Exporter, HttpMetricsLayer, TenantBoard, TenantBoardLayer};

thread_local! {
    /// It is the same one again and again: making it is not counted.
    static REQUEST: RefCell<Option<Request<String>>> = const { RefCell::new(None) };
}

#[test]
fn a_request_of_a_known_series_and_tenant_allocates_nothing() {
    const REQUESTS: u64 = 10_000;
    let page = Exporter::new().start().unwrap();
    let mut svc = ServiceBuilder::new()
        .layer(
            HttpMetricsLayer::new()
                .recorder(page.recorder())
                .route_of(|_| Some("/api/v1/plugins/{id}")),
        )
        .layer(TenantBoardLayer::new(TenantBoard::default()))
        .service(service_fn(|req| {
            REQUEST.set(Some(req));
            let body = Empty::<&[u8]>::new().map_frame(|frame| frame);
            ready(Ok::<_, Infallible>(Response::new(body)))
        }));
    let mut req = Request::new(String::new());
    req.extensions_mut().insert(TenantId::new("acme").unwrap());
    REQUEST.set(Some(req));
    let mut ask = |times: u64| {
        for _ in 0..times {
            let req = REQUEST.take().unwrap();
            let response = svc.call(req).now_or_never().unwrap().unwrap();
            response
                .into_body()
                .collect()
                .now_or_never()
                .unwrap()
                .unwrap();
        }
    };
    ask(100);
    let counted = measure(|| ask(REQUESTS));
    // The recorder keeps samples of its two histograms in blocks of 64 until it counts them.
    let blocks = 2 * REQUESTS / 64 + 2;
    assert!(
        counted.count_total <= blocks,
        "{} of {blocks}",
        counted.count_total
    );
}
