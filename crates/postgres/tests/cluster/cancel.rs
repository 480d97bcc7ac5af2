//! Callers that leave, at any moment.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use towerblock_testkit::Postgres;

use crate::{cluster, schema, set_up};

#[tokio::test]
async fn a_cancelled_query_ends_at_the_server_and_harms_nobody() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 2).await;
    let cluster = cluster(&postgres, 1);
    let (one, two) = (schema(1), schema(2));
    let sleeps = cluster.read(&one);
    let slow = sleeps.query("slow", "SELECT pg_sleep(2)", &[]);
    assert!(timeout(Duration::from_millis(100), slow).await.is_err());
    let start = Instant::now();
    let rows = cluster
        .read(&two)
        .query("next", "SELECT owner FROM items", &[])
        .await;
    assert_eq!(rows.unwrap()[0].get::<_, i64>(0), 2);
    let took = start.elapsed();
    assert!(took < Duration::from_millis(200), "{took:?}");
    let active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(2)%' AND state = 'active' AND pid <> pg_backend_pid()";
    let active = postgres.primary().sql(active).await.unwrap();
    assert_eq!(active.as_deref(), Some("0"));
}
