//! What admins are told of the queries.

use std::sync::Arc;

use tokio_postgres::NoTls;
use towerblock_testkit::Postgres;

use crate::client::{Answer, get, send};
use crate::database::ready;
use crate::program::Server;

fn report(server: &Server, query: &str, header: &str) -> Answer {
    let path = format!("/api/query-optimizer/metrics{query}");
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{header}");
    send(server, &head, "")
}

fn labels(server: &Server, query: &str) -> Vec<String> {
    let report = report(server, query, "").json();
    let labels = report["queries"].as_array().unwrap().iter();
    let label = |query: &serde_json::Value| query["label"].as_str().unwrap().to_owned();
    labels.map(label).collect()
}

#[tokio::test]
async fn slow_queries_are_told_with_their_label_and_tenant() {
    let postgres = Postgres::builder().start().await.unwrap();
    let url = postgres.primary().url();
    let server = Arc::new(Server::start(&[("DATABASE_URL", &url)]));
    ready(&server).await;
    assert_eq!(get(&server, "t00001", "/api/v1/marketplace").status, 200);
    assert!(!labels(&server, "?slowOnly=true").contains(&"plugins.list".to_owned()));

    let (locker, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let lock = "BEGIN; LOCK TABLE t000000000001.plugins";
    locker.batch_execute(lock).await.unwrap();
    let waits = Arc::clone(&server);
    let waits = std::thread::spawn(move || get(&waits, "acme", "/api/v1/plugins").status);
    let slow = "SELECT pg_sleep(0.2) FROM pg_locks WHERE NOT granted";
    while locker.simple_query(slow).await.unwrap().len() < 3 {}
    locker.batch_execute("COMMIT").await.unwrap();
    assert_eq!(waits.join().unwrap(), 200);

    let slow = labels(&server, "?slowOnly=true");
    assert!(slow.contains(&"plugins.list".to_owned()), "{slow:?}");
    assert!(!slow.contains(&"packages.list".to_owned()), "{slow:?}");
    for query in ["", "?slowOnly=false"] {
        assert!(labels(&server, query).contains(&"packages.list".to_owned()));
    }
    let head = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n";
    let metrics = send(&server, head, "").body;
    for line in [
        "# TYPE postgres_query_execute_seconds histogram",
        r#"postgres_query_execute_seconds_bucket{label="plugins.list",le="0.1"} 0"#,
        r#"postgres_query_execute_seconds_bucket{label="plugins.list",le="+Inf"} 1"#,
        r#"postgres_query_execute_seconds_count{label="plugins.list"} 1"#,
        r#"postgres_slow_queries_total{label="plugins.list"} 1"#,
        r#"breaker_state{circuit="database.read"} 0"#,
        "shed_limit 1024",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
    }
    let report = report(&server, "", "").json();
    let last = &report["slow"][0];
    assert_eq!(
        (&last["label"], &last["tenant"]),
        (&"plugins.list".into(), &"acme".into())
    );
    assert!(last["tookMs"].as_f64().unwrap() >= 100.0, "{last}");
    assert!(report["total"]["count"].as_u64().unwrap() > 3, "{report}");
    let list = report["queries"].as_array().unwrap().iter();
    let list = list.clone().find(|query| query["label"] == "plugins.list");
    let list = list.unwrap();
    // A page of 20, and the row that tells of the next.
    assert_eq!(
        (&list["rows"], &list["slow"]),
        (&21.into(), &1.into()),
        "{list}"
    );
}

#[test]
fn the_report_is_for_admins_and_of_a_database() {
    let server = Server::in_memory();
    let status = |query, header| report(&server, query, header).status;
    assert_eq!(status("", "x-forwarded-for: 10.0.0.1\r\n"), 401);
    assert_eq!(status("?slowOnly=perhaps", ""), 400);
    assert_eq!(status("?slowOnly=true", ""), 404);
}
