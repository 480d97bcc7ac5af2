//! A Prometheus that scrapes the server under load.

use std::sync::Arc;

use towerblock_testkit::{Postgres, Prometheus, Redis, dashboard_queries};

use crate::client::{Answer, ask, get};
use crate::database::ready;
use crate::load::Load;
use crate::program::Server;

const CLIENTS: usize = 6;
/// Of one scrape, by all whom the page names, and by those whom it no longer does.
const OF_TENANTS: &str =
    "sum(tenant_requests_total) + (sum(tenant_board_retired_requests_total) or vector(0))";
const ALL: &str = "sum(tenant_board_requests_total)";
const SERIES: &str = "tenant_board_requests_total";
/// What the server has none of by itself, and what did not happen.
const ABSENT: [&str; 6] = [
    "bulkhead_",
    "fair_",
    "pool_",
    "retry_budget_",
    "postgres_query_connect_",
    "http_request_failures_",
];

fn once(server: &Server, n: usize, times: usize) -> (bool, Answer) {
    let answer = match n {
        0 => get(server, "acme", "/api/v1/plugins?limit=10"),
        1 => ask(
            server,
            "PUT",
            "acme",
            "/api/v1/plugins/1007",
            "",
            r#"{"name":"x"}"#,
        ),
        2 => ask(server, "POST", "globex", "/api/v1/plugins", "", "{"),
        3 => get(server, "globex", "/api/v1/marketplace"),
        _ => {
            let id = 1 + (times * CLIENTS + n) % 300;
            let path = ["/api/v1/plugins?limit=3", "/api/v1/teams/1/my-plugins"][times % 2];
            get(server, &format!("t{id:05}"), path)
        }
    };
    (n != 1, answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_prometheus_scrapes_adds_up_and_fills_the_dashboards() {
    let postgres = Postgres::builder().standbys(1).start().await.unwrap();
    let redis = Redis::builder().start().await.unwrap();
    let server = Arc::new(Server::start(&[
        ("DATABASE_URL", &postgres.primary().url()),
        ("DATABASE_READ_REPLICAS", &postgres.standbys()[0].url()),
        ("REDIS_URL", &redis.url()),
    ]));
    ready(&server).await;
    let prometheus = Prometheus::builder().scrape("server", server.address);
    let prometheus = prometheus.start().await.unwrap();
    let load = Load::start(&server, CLIENTS, once);
    let is_there = |query: String| async {
        let prometheus = &prometheus;
        prometheus
            .until(&{ query }, |samples| !samples.is_empty())
            .await
            .unwrap();
    };
    for seen in [50, 200, 400, 600, 800] {
        is_there(format!("{ALL} > {seen}")).await;
        let off = prometheus
            .query(&format!("{OF_TENANTS} - {ALL}"))
            .await
            .unwrap();
        assert_eq!(off[0].value, 0.0);
        // What is being answered while the page is made is told by one and not yet by the other.
        let skew = prometheus
            .query(&format!("{ALL} - sum(http_requests_total)"))
            .await
            .unwrap();
        assert!((0.0..=CLIENTS as f64).contains(&skew[0].value), "{skew:?}");
    }
    // Rates are of series that were seen twice.
    is_there(format!("count_over_time({SERIES}[10s]) > 4")).await;
    let (mut asked, mut empty) = (0, Vec::new());
    for board in std::fs::read_dir("../docs/observability/dashboards").unwrap() {
        let text = std::fs::read_to_string(board.unwrap().path()).unwrap();
        let mut queries = dashboard_queries(&text, "10s").unwrap();
        queries.retain(|query| !ABSENT.iter().any(|name| query.contains(name)));
        asked += queries.len();
        empty.extend(prometheus.unanswered(&queries).await.unwrap());
    }
    let seen = load.end().len();
    is_there(format!(
        "{ALL} == {seen} and sum(http_requests_total) == {seen}"
    ))
    .await;
    assert_eq!(empty, [""; 0]);
    assert!(asked > 80, "{asked}");
}
