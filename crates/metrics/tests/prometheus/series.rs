use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

use towerblock_metrics::Exposure;

use crate::{App, is, number, scraped, tenant};

const SERIES: &str = r#"count({job="app"})"#;

#[tokio::test]
async fn made_up_names_make_no_series_in_prometheus() {
    let app = App::start(Exposure::top(NonZeroUsize::MIN)).await;
    app.load().await;
    app.ask(Some("acme"), "BREW", "/plugins/7").await;
    app.ask(Some("acme"), "BREW", "/nowhere").await;
    let prometheus = scraped(&app).await;
    prometheus
        .until("tenant_board_requests_total", is(15.0))
        .await
        .unwrap();
    let before = number(&prometheus, SERIES).await;
    let head = number(&prometheus, "count(count by (__name__) ({job='app'}))").await;
    assert!(head > 20.0, "{head} names");
    for nth in 0..3_000 {
        let (tenant, method) = (format!("t{nth}"), format!("M{nth}"));
        let path = format!("/nowhere/{nth}");
        app.ask(
            Some(&tenant),
            if nth % 2 == 0 { "GET" } else { &method },
            &path,
        )
        .await;
    }
    prometheus
        .until("tenant_board_requests_total", is(3_015.0))
        .await
        .unwrap();
    assert_eq!(number(&prometheus, SERIES).await, before);
    // Nor any that has ended meanwhile.
    let ever = "count(last_over_time({job='app'}[1h]))";
    assert_eq!(number(&prometheus, ever).await, before);
}

#[tokio::test]
async fn in_every_scrape_the_tenants_the_others_and_nobody_add_up_to_all() {
    let app = App::start(Exposure::default().pin([tenant("acme")])).await;
    let prometheus = scraped(&app).await;
    let done = AtomicBool::new(false);
    let load = async {
        while !done.load(Ordering::Relaxed) {
            app.load().await;
            // Nothing in it is waited for, and the page is served by the same thread.
            tokio::task::yield_now().await;
        }
    };
    let watch = async {
        let all = "sum(tenant_board_requests_total - tenant_board_retired_requests_total)";
        // What is scraped in one go has one time: no skew is allowed for.
        let off = format!("count_over_time((sum(tenant_requests_total) - {all} != 0)[2s:100ms])");
        let seen = format!("sum(tenant_requests_total) == {all}");
        prometheus
            .until(&seen, |samples| {
                samples.iter().any(|all| all.value > 2_000.0)
            })
            .await
            .unwrap();
        assert_eq!(prometheus.query(&off).await.unwrap(), []);
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, watch);
    let by = |tenant| format!(r#"tenant_requests_total{{tenant="{tenant}"}}"#);
    for tenant in ["acme", "__other__", "__none__"] {
        assert!(number(&prometheus, &by(tenant)).await > 0.0, "{tenant}");
    }
    let total = app.board.report(&tenant("acme")).unwrap().requests;
    prometheus
        .until(&by("acme"), is(total as f64))
        .await
        .unwrap();
}
