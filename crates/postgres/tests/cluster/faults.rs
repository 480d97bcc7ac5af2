//! Servers that die, hang, come back and change places.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use towerblock_core::Reason;
use towerblock_postgres::{Cluster, Error, Replicas, Settings, Transaction};
use towerblock_testkit::Postgres;

use crate::stopwatch::Stopwatch;
use crate::{PATIENCE, budget, cluster, cluster_with, number, schema, set_up, until};

const COUNT: &str = "SELECT count(*) FROM items";
const ADD: &str = "INSERT INTO items (owner) VALUES (1)";

async fn reads(cluster: &Cluster) -> Result<i64, Error> {
    let rows = cluster.read(&schema(1)).query("count", COUNT, &[]).await?;
    Ok(rows[0].get(0))
}

async fn writes(cluster: &Cluster) -> Result<u64, Error> {
    cluster.write(&schema(1)).execute("add", ADD, &[]).await
}

#[tokio::test]
async fn reads_go_on_without_the_primary_and_writes_are_refused_at_once() {
    let postgres = Postgres::builder().standbys(1).start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 4);
    assert_eq!(writes(&cluster).await.unwrap(), 1);
    postgres.caught_up().await.unwrap();
    for hangs in [true, false] {
        assert!(reads(&cluster).await.is_ok());
        if hangs {
            postgres.primary().pause().await.unwrap();
        } else {
            postgres.primary().kill().await.unwrap();
        }
        let refused = |outcome: &Result<u64, Error>| {
            let rejected = outcome.as_ref().err().and_then(Error::rejected);
            rejected.is_some_and(|rejected| rejected.retry_after().is_some())
        };
        // Each is one of many that come: what is sent to a server that hangs is lost.
        let detected = until(Duration::from_secs(20), async || {
            let outcome = timeout(Duration::from_millis(50), writes(&cluster)).await;
            outcome.is_ok_and(|outcome| refused(&outcome))
        });
        let detected = detected.await;
        assert!(detected < Duration::from_secs(2), "{detected:?}");
        println!("hangs: {hangs}, writes are refused after {detected:?}");
        for _ in 0..20 {
            let start = Stopwatch::start();
            let error = writes(&cluster).await.unwrap_err();
            let rejected = error.rejected().unwrap();
            assert_eq!(rejected.reason(), Reason::Unavailable, "{error}");
            assert!(rejected.retry_after().is_some(), "{error}");
            assert!(start.elapsed() < Duration::from_millis(50));
            assert!(reads(&cluster).await.is_ok());
        }
        if hangs {
            postgres.primary().resume().await.unwrap();
        } else {
            postgres.primary().start().await.unwrap();
        }
        let back = until(Duration::from_secs(20), async || {
            writes(&cluster).await.is_ok()
        })
        .await;
        println!("back after {back:?}");
        assert!(back < Duration::from_secs(2), "{back:?}");
    }
}

#[tokio::test]
async fn a_standby_that_is_promoted_takes_the_writes() {
    let postgres = Postgres::builder().standbys(1).start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 4);
    assert_eq!(writes(&cluster).await.unwrap(), 1);
    postgres.caught_up().await.unwrap();
    postgres.primary().kill().await.unwrap();
    postgres.standbys()[0].promote().await.unwrap();
    let back = until(Duration::from_secs(20), async || {
        writes(&cluster).await.is_ok()
    })
    .await;
    assert!(back < Duration::from_secs(2), "{back:?}");
    assert_eq!(reads(&cluster).await.unwrap(), 3);
    // Back as it was, the old one takes writes as well: they go to the newer.
    postgres.primary().start().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(writes(&cluster).await.unwrap(), 1);
    assert_eq!(
        postgres.standbys()[0]
            .sql("SELECT count(*) FROM t000000000001.items")
            .await
            .unwrap()
            .as_deref(),
        Some("4")
    );
}

#[tokio::test]
async fn reads_go_on_without_what_died_with_the_primary() {
    let postgres = Postgres::builder().standbys(1).start().await.unwrap();
    set_up(&postgres, 1).await;
    let mut replicas = Replicas::default();
    replicas.max_lag = Duration::from_secs(3);
    let cluster = cluster_with(&postgres, Settings::new(budget(4)).replicas(replicas));
    assert!(reads(&cluster).await.is_ok());
    postgres.caught_up().await.unwrap();
    // More than fits into the buffers of the connection between them.
    postgres.standbys()[0].pause().await.unwrap();
    let much = "CREATE TABLE much AS SELECT repeat('x', 900) FROM generate_series(1, 60000)";
    postgres.primary().sql(much).await.unwrap();
    // It is known how far the primary was.
    sleep(Duration::from_millis(300)).await;
    postgres.primary().kill().await.unwrap();
    postgres.standbys()[0].resume().await.unwrap();
    until(PATIENCE, async || reads(&cluster).await.is_ok()).await;
    let start = Stopwatch::start();
    while start.elapsed() < Duration::from_secs(6) {
        let outcome = reads(&cluster).await;
        assert!(outcome.is_ok(), "after {:?}: {outcome:?}", start.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_write_that_may_be_done_twice_is_refused_once_its_server_is_seen_to_hang() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 4);
    assert_eq!(writes(&cluster).await.unwrap(), 1);
    postgres.primary().pause().await.unwrap();
    let (start, binding) = (Instant::now(), schema(1));
    let write = cluster.write(&binding).idempotent();
    let error = write.execute("add", ADD, &[]).await.unwrap_err();
    let rejected = error.rejected().unwrap();
    assert!(rejected.retry_after().is_some(), "{error}");
    // Its deadline is in five.
    assert!(start.elapsed() < Duration::from_secs(2), "{error}");
    postgres.primary().resume().await.unwrap();
}

#[tokio::test]
async fn a_transaction_is_given_up_before_its_commit_once_its_server_is_seen_to_hang() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 4);
    let before = reads(&cluster).await.unwrap();
    let (start, binding) = (Instant::now(), schema(1));
    let work = async |transaction: &Transaction<'_>| {
        transaction.execute(ADD, &[]).await?;
        postgres.primary().pause().await.unwrap();
        transaction.execute(ADD, &[]).await
    };
    let error = cluster.write(&binding).transaction("add", work).await;
    let error = error.unwrap_err();
    assert!(error.rejected().unwrap().retry_after().is_some(), "{error}");
    assert!(!error.is_commit_unknown());
    // Its deadline is in five.
    assert!(start.elapsed() < Duration::from_secs(2), "{error}");
    postgres.primary().resume().await.unwrap();
    until(PATIENCE, async || reads(&cluster).await.is_ok()).await;
    assert_eq!(reads(&cluster).await.unwrap(), before);
}

#[tokio::test]
async fn a_monitor_that_loses_its_connection_looks_again_before_it_judges() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 4);
    assert_eq!(writes(&cluster).await.unwrap(), 1);
    let is_over = Cell::new(false);
    let load = async || {
        let mut calls = 0;
        while !is_over.get() {
            let (read, wrote) = (reads(&cluster).await, writes(&cluster).await);
            assert!(read.is_ok(), "{read:?}");
            assert!(wrote.is_ok(), "{wrote:?}");
            calls += 2;
        }
        calls
    };
    let kill = async {
        // Nobody else asks this.
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE query LIKE 'SELECT pg_is_in_recovery(),%'";
        let mut killed = 0;
        until(PATIENCE, async || {
            killed += number(postgres.primary(), kill).await;
            // Longer than from one look to the next.
            sleep(Duration::from_millis(250)).await;
            killed >= 8
        })
        .await;
        is_over.set(true);
    };
    let (first, second, ()) = tokio::join!(load(), load(), kill);
    assert!(first + second > 100, "{first} + {second} calls");
    assert!(!cluster.servers()[0].is_away);
}
