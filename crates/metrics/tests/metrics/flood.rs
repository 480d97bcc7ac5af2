use std::convert::Infallible;
use std::fs;
use std::future::ready;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{Method, Request, Response};
use tokio::time::advance;
use tower::{Service, ServiceBuilder, service_fn};
use towerblock_metrics::{Exporter, Exposure, HttpMetricsLayer, TenantBoard, TenantBoardLayer};

use crate::{n, tenant, told};

/// In bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .unwrap();
    kib.parse::<u64>().unwrap() * 1_024
}

#[tokio::test(start_paused = true)]
async fn made_up_tenants_paths_and_methods_leave_series_memory_and_page_as_they_were() {
    let board = TenantBoard::new(Exposure::top(n(20)).track(n(1_024)));
    let page = Exporter::new().board(board.clone()).start().unwrap();
    let fleet = HttpMetricsLayer::new()
        .recorder(page.recorder())
        // The mistake that it must stand: the path is taken for the route.
        .route_of(|of| of.get::<String>().map(String::as_str));
    let mut svc = ServiceBuilder::new()
        .layer(fleet)
        .layer(TenantBoardLayer::new(board.clone()))
        .service(service_fn(|_: Request<String>| {
            ready(Ok::<_, Infallible>(Response::new(String::new())))
        }));
    let methods: Vec<Method> = (0..1_000)
        .map(|nth| format!("M{nth}").parse().unwrap())
        .collect();
    let mut methods = methods.iter().cycle();
    let mut ask = |nth: u32| {
        let mut req = Request::new(String::new());
        // One among them is real, and asks for a fiftieth.
        let who = tenant(&format!("t{}", if nth % 50 == 0 { 0 } else { nth }));
        req.extensions_mut().insert(who);
        if nth % 10 == 0 {
            req.method_mut().clone_from(methods.next().unwrap());
            req.extensions_mut().insert(format!("/{nth}"));
        }
        svc.call(req).now_or_never().unwrap().unwrap();
    };
    let tidy = async || {
        advance(Duration::from_secs(30)).await;
        board.tick();
    };
    // Until it is as full as it gets.
    (0..20_000).for_each(&mut ask);
    for _ in 0..12 {
        tidy().await;
    }
    let (lines, bytes, before) = (
        page.render().lines().count(),
        page.render().len(),
        resident(),
    );
    for round in 0..98 {
        (20_000 + round * 10_000..30_000 + round * 10_000).for_each(&mut ask);
        tidy().await;
        if round % 14 > 0 {
            continue;
        }
        let text = page.render();
        // Up to half as many series again are told for a while after they have ended.
        assert!(text.lines().count() <= lines + 100, "round {round}");
        assert!(text.len() <= bytes * 11 / 10, "round {round}");
    }
    let requests = |route| told(&page.render(), "http_requests_total", &[route]);
    assert_eq!(requests(r#"route="__unmatched__""#), 900_000.0);
    // 1,024 paths have come first.
    assert_eq!(requests(r#"route="__overflow__""#), 100_000.0 - 1_024.0);
    let more = resident().saturating_sub(before);
    assert!(more < 8 << 20, "{more} bytes more");
    assert_eq!(board.active(), 1_024);
    let real = board.report(&tenant("t0")).unwrap();
    assert_eq!(real.requests, 20_000, "it was never forgotten");
    assert!(
        page.render()
            .contains(r#"tenant_requests_total{tenant="t0"}"#)
    );
}
