//! Callers that leave, at any moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use towerblock_postgres::{Cluster, Error};
use towerblock_testkit::{Postgres, poll_times};

use crate::stopwatch::Stopwatch;
use crate::{cluster, row_level, schema, set_up};

const OWNER: &str = "SELECT owner FROM items";
const TIMES: usize = 10_000;

#[tokio::test]
async fn a_cancelled_query_ends_at_the_server_and_harms_nobody() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 2).await;
    let cluster = cluster(&postgres, 1);
    let (one, two) = (schema(1), schema(2));
    let slow = cluster.read(&one).query("slow", "SELECT pg_sleep(2)", &[]);
    assert!(timeout(Duration::from_millis(100), slow).await.is_err());
    let start = Stopwatch::start();
    let rows = cluster.read(&two).query("next", OWNER, &[]).await;
    assert_eq!(rows.unwrap()[0].get::<_, i64>(0), 2);
    let took = start.elapsed();
    assert!(took < Duration::from_millis(200), "{took:?}");
    let active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(2)%' AND state = 'active' AND pid <> pg_backend_pid()";
    let active = postgres.primary().sql(active).await.unwrap();
    assert_eq!(active.as_deref(), Some("0"));
}

/// What a call did may be seen; whether it did half of it must not be.
async fn pair(cluster: &Cluster, key: u64) -> Result<(), Error> {
    let binding = schema(key);
    let write = cluster.write(&binding);
    write
        .transaction("pair", async |tx| {
            let sql = "INSERT INTO pairs (half) VALUES ($1)";
            tx.execute(sql, &[&1_i32]).await?;
            tx.execute(sql, &[&2_i32]).await?;
            tx.execute("SELECT set_config('app.left', 'x', true)", &[])
                .await?;
            Ok(())
        })
        .await
}

/// Calls, transactions and commits that are dropped after any number of polls: the server has
/// never more backends than it may, no half of a transaction is seen, and whoever comes next
/// finds a clean connection.
#[expect(clippy::too_many_lines, reason = "four kinds of calls in one storm")]
#[tokio::test]
async fn ten_thousand_calls_dropped_at_any_poll_leave_nothing_behind() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 3).await;
    for key in 1..=3 {
        let sql = format!("CREATE TABLE t{key:012x}.pairs (half int)");
        postgres.primary().sql(&sql).await.unwrap();
    }
    let cluster = cluster(&postgres, 4);
    let most = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let counts = tokio::spawn(count_backends(
        postgres.primary().url(),
        Arc::clone(&most),
        Arc::clone(&done),
    ));
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |end: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % end
    };
    let mut completed = 0;
    for _ in 0..TIMES {
        let (key, polls) = (below(3) + 1, usize::try_from(below(24)).unwrap());
        let owner = i64::try_from(key).unwrap();
        let outcome = match below(4) {
            0 => poll_times(polls, pair(&cluster, key)).await,
            1 => {
                let binding = row_level(key);
                let read = cluster.read(&binding).query("owner", OWNER, &[]);
                let rows = poll_times(polls, read).await;
                rows.map(|rows| rows.map(|rows| assert_eq!(rows[0].get::<_, i64>(0), owner)))
            }
            2 => {
                let binding = schema(key);
                let sql = "UPDATE items SET owner = owner";
                let write = cluster.write(&binding).execute("touch", sql, &[]);
                poll_times(polls, write)
                    .await
                    .map(|count| count.map(|count| assert_eq!(count, 1)))
            }
            _ => {
                let binding = schema(key);
                let sql =
                    "SELECT owner, pg_sleep(0.001), set_config('app.left', 'x', false) FROM items";
                let read = cluster.read(&binding).query("slow", sql, &[]);
                poll_times(polls, read).await.map(|rows| rows.map(drop))
            }
        };
        if let Some(outcome) = outcome {
            outcome.unwrap();
            completed += 1;
        }
    }
    assert!(
        completed > TIMES / 10 && completed < TIMES * 9 / 10,
        "{completed}"
    );
    is_clean(&cluster).await;
    done.store(true, Ordering::Relaxed);
    counts.await.unwrap();
    // Those of the pool, the one that asks how the server is, and those that only cancel.
    let most = most.load(Ordering::Relaxed);
    assert!(most <= 5, "{most} backends");
    for key in 1..=3 {
        let sql = format!(
            "SELECT count(*) FILTER (WHERE half = 1) - count(*) FILTER (WHERE half = 2) FROM t{key:012x}.pairs"
        );
        let half = postgres.primary().sql(&sql).await.unwrap();
        assert_eq!(half.as_deref(), Some("0"));
    }
}

/// All four connections can be had at once, and none has anything left on it.
async fn is_clean(cluster: &Cluster) {
    sleep(Duration::from_millis(700)).await;
    let left = "SELECT coalesce(current_setting('app.left', true), '') || coalesce(current_setting('app.tenant_id', true), '')
        || current_user || current_setting('search_path'), pg_sleep(0.05)";
    let binding = towerblock_postgres::Binding::shared();
    let reads = (0..4).map(|_| cluster.read(&binding).query("left", left, &[]));
    for rows in futures_util::future::join_all(reads).await {
        assert_eq!(
            rows.unwrap()[0].get::<_, &str>(0),
            "towerblock\"$user\", public"
        );
    }
}

async fn count_backends(url: String, most: Arc<AtomicUsize>, done: Arc<AtomicBool>) {
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    while !done.load(Ordering::Relaxed) {
        let count: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
        most.fetch_max(usize::try_from(count).unwrap(), Ordering::Relaxed);
        sleep(Duration::from_millis(4)).await;
    }
}
