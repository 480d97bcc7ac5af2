use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};
use towerblock_core::{Metric, Stats, Value};
use towerblock_metrics::{
    Exporter, Exposure, HttpMetricsLayer, Process, TenantBoard, TenantBoardLayer, publish,
};

use crate::{from, n, told};

static WAIT: Metric = Metric::histogram("pool_wait", "seconds", "Waits").labelled("lane");
static OPENED: Metric = Metric::counter("pool_opened", "connections", "Opened");
static IDLE: Metric = Metric::gauge("pool_idle", "connections", "Idle");

#[derive(Clone, Copy)]
struct Pool;

impl Stats for Pool {
    fn describe(&self) -> &'static [Metric] {
        static ALL: [Metric; 3] = [WAIT, OPENED, IDLE];
        &ALL
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let buckets = Value::Buckets {
            bounds: &[0.1, 1.0],
            counts: vec![2, 1, 1],
            sum: 5.5,
        };
        sink(&WAIT, "fast", buckets);
        sink(&OPENED, "", Value::Count(7));
        sink(&IDLE, "", Value::Level(3.0));
    }
}

/// Tells the name of a counter as that of a level.
struct Impostor;

impl Stats for Impostor {
    fn describe(&self) -> &'static [Metric] {
        static ALL: [Metric; 1] = [Metric::gauge("pool_opened", "connections", "Opened")];
        &ALL
    }

    fn read(&self, _: &mut dyn FnMut(&'static Metric, &str, Value)) {}
}

#[tokio::test]
async fn the_numbers_of_any_crate_are_on_the_page() {
    let page = Exporter::new()
        .stats_of("orders", Pool)
        .stats_of("users", Pool)
        .stats(Process)
        .start()
        .unwrap();
    let text = page.render();
    assert_eq!(told(&text, "pool_opened_total", &[]), 14.0);
    assert_eq!(told(&text, "pool_idle", &[r#"source="users""#]), 3.0);
    let orders = r#"source="orders",lane="fast""#;
    assert_eq!(
        told(&text, "pool_wait_seconds_bucket", &[orders, r#"le="1""#]),
        3.0
    );
    assert_eq!(
        told(&text, "pool_wait_seconds_bucket", &[orders, r#"le="+Inf""#]),
        4.0
    );
    assert_eq!(told(&text, "pool_wait_seconds_sum", &[orders]), 5.5);
    assert_eq!(
        text.matches("# TYPE pool_wait_seconds histogram").count(),
        1
    );
    assert!(told(&text, "process_resident_memory_bytes", &[]) > 1e6);
    assert!(told(&text, "process_open_fds", &[]) >= 3.0);
    assert!(told(&text, "process_threads", &[]) >= 1.0);
    assert!(text.contains("process_cpu_seconds_total "));
}

#[test]
fn two_sources_of_one_series_are_refused_at_the_start() {
    for exporter in [
        Exporter::new().stats(Pool).stats(Pool),
        Exporter::new().stats_of("a", Pool).stats_of("a", Pool),
        Exporter::new().stats_of("a", Pool).stats_of("b", Impostor),
    ] {
        let error = exporter.start().unwrap_err();
        assert!(error.is_collision());
        assert!(
            error
                .to_string()
                .starts_with("two sources tell the metric pool_")
        );
    }
}

#[tokio::test]
async fn the_page_is_a_service_of_axum() {
    let page = Exporter::new().stats(Pool).start().unwrap();
    let app: Router = Router::new().route_service("/metrics", page);
    let req = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = app.oneshot(req).await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert!(text.ends_with(b"pool_wait_seconds_count{lane=\"fast\"} 4\n"));
}

#[test]
fn a_recorder_of_any_kind_is_told_too() {
    let page = Exporter::new().start().unwrap();
    metrics::with_local_recorder(&page.recorder(), || {
        publish(&Pool);
        publish(&Pool);
    });
    let text = page.render();
    assert_eq!(told(&text, "pool_opened_total", &[]), 7.0);
    assert_eq!(
        told(
            &text,
            "pool_wait_seconds_bucket",
            &[r#"le="1""#, r#"lane="fast""#]
        ),
        3.0
    );
    assert_eq!(told(&text, "pool_wait_seconds_count", &[]), 4.0);
    assert_eq!(told(&text, "pool_idle", &[]), 3.0);
}

#[tokio::test]
async fn histograms_have_the_buckets_that_were_asked_for_and_are_never_summaries() {
    for (asked, bounds) in [
        (vec![2.0, f64::NAN, 1.0, 2.0, f64::INFINITY], 2),
        (vec![], 14),
    ] {
        let page = Exporter::new().buckets(asked).start().unwrap();
        let seconds = metrics::with_local_recorder(&page.recorder(), || metrics::histogram!("any"));
        seconds.record(1.5);
        let text = page.render();
        assert_eq!(text.matches("any_bucket").count(), bounds + 1);
        assert!(!text.contains("quantile"));
    }
}

#[tokio::test]
async fn a_handle_goes_on_counting_after_any_time() {
    let page = Exporter::new().start().unwrap();
    let hits = metrics::with_local_recorder(&page.recorder(), || metrics::counter!("hits"));
    for _ in 0..3 {
        hits.increment(1);
        let _scrape = page.render();
    }
    hits.increment(1);
    assert_eq!(told(&page.render(), "hits", &[]), 4.0);
}

#[tokio::test(start_paused = true)]
async fn upkeep_ticks_the_boards_until_it_is_dropped() {
    let board = TenantBoard::new(Exposure::top(n(1)));
    let page = Exporter::new().board(board.clone()).start().unwrap();
    let svc = TenantBoardLayer::new(board).layer(service_fn(|_: Request<String>| {
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    }));
    svc.clone().oneshot(from("acme")).await.unwrap();
    let shown = || page.render().contains(r#"tenant="acme""#);

    let upkeep = page.upkeep();
    assert!(!shown());
    sleep(Duration::from_secs(36)).await;
    assert!(shown());
    drop(upkeep);
    svc.oneshot(from("globex")).await.unwrap();
    sleep(Duration::from_secs(3_600)).await;
    assert!(!page.render().contains(r#"tenant="globex""#));
}

#[tokio::test]
async fn what_a_tenant_or_a_route_is_called_cannot_break_the_page() {
    let page = Exporter::new().start().unwrap();
    let layer = HttpMetricsLayer::new()
        .recorder(page.recorder())
        .route_of(|_| Some("/\"}\n\\evil 1"));
    let svc = layer.layer(service_fn(|_: Request<String>| {
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    }));
    svc.oneshot(from("acme")).await.unwrap();
    let text = page.render();
    let counted = text
        .lines()
        .find(|line| line.starts_with("http_requests_total{"));
    assert!(
        counted.unwrap().contains(r#"route="/\"}\n\\evil 1""#),
        "{text}"
    );
    assert!(
        text.lines()
            .all(|line| line.is_empty() || line.starts_with(['#', 'h']))
    );
}
