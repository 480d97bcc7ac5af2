use towerblock_metrics::Exposure;
use towerblock_testkit::{Prometheus, dashboard_queries};

use crate::{App, scraped, shipped, tenant};

/// Those of crates that this application has not.
const ELSEWHERE: [&str; 2] = ["lifecycle_", "tenant_registry_"];

#[tokio::test]
async fn after_load_no_graph_of_the_fleet_or_the_tenants_is_empty() {
    let pinned = ["acme", "globex"].map(tenant);
    let app = App::start(Exposure::default().pin(pinned)).await;
    let prometheus = scraped(&app).await;
    prometheus
        .until("up", |samples| !samples.is_empty())
        .await
        .unwrap();
    // Rates are of series that were seen twice.
    for _ in 0..3 {
        app.load().await;
        let seen = format!(
            "max_over_time(tenant_board_requests_total[5s]) == {}",
            total(&app)
        );
        prometheus
            .until(&seen, |samples| !samples.is_empty())
            .await
            .unwrap();
    }
    let mut asked = 0;
    for board in ["fleet", "tenants"] {
        let board = shipped(&format!("dashboards/{board}.json"));
        let mut queries = dashboard_queries(&board, "10s").unwrap();
        queries.retain(|query| !ELSEWHERE.iter().any(|name| query.contains(name)));
        asked += queries.len();
        assert_eq!(prometheus.unanswered(&queries).await.unwrap(), [""; 0]);
    }
    assert!(asked > 30, "{asked} queries");
}

#[tokio::test]
async fn the_rules_are_evaluated_and_an_instance_that_ends_is_missed() {
    let app = App::start(Exposure::default()).await;
    let prometheus = Prometheus::builder().scrape("app", app.addr);
    // A minute is long.
    let rules = shipped("rules.yml").replace("for: 1m", "for: 0s");
    let prometheus = prometheus.rules(rules).start().await.unwrap();
    let mut load = tokio::time::interval(std::time::Duration::from_millis(50));
    let rate = "job:http_requests:rate5m > 0 and on (job) job:http_errors:ratio5m > 0.1";
    let recorded = prometheus.until(rate, |samples| !samples.is_empty());
    let more = async {
        loop {
            load.tick().await;
            app.load().await;
        }
    };
    tokio::select! {
        recorded = recorded => recorded.unwrap(),
        () = more => return,
    };
    let firing = r#"ALERTS{alertname="InstanceDown",alertstate="firing"}"#;
    assert_eq!(prometheus.query(firing).await.unwrap(), []);
    drop(app);
    prometheus
        .until(firing, |samples| !samples.is_empty())
        .await
        .unwrap();
}

fn total(app: &App) -> u64 {
    let all = app.page.render();
    let all = all
        .lines()
        .find_map(|line| line.strip_prefix("tenant_board_requests_total "));
    all.unwrap().parse().unwrap()
}
