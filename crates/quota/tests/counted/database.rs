use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio_postgres::Client;
use towerblock_core::BoxError;
use towerblock_quota::{Claim, PostgresQuotas, Quota, QuotaError};
use towerblock_testkit::Postgres;

use crate::claim;
use crate::store::{Store, connect};

const HOUR: Duration = Duration::from_secs(3_600);

async fn clients(url: &str, count: usize) -> Vec<Arc<Client>> {
    let clients = join_all((0..count).map(|_| connect(url))).await;
    clients.into_iter().map(Arc::new).collect()
}

/// A server, and a store over so many of its connections, in turn.
async fn store(connections: usize) -> (Postgres, impl Store) {
    let servers = Postgres::builder().start().await.unwrap();
    let clients = clients(&servers.primary().url(), connections).await;
    let first = clients.first().unwrap();
    PostgresQuotas::create_tables(&**first).await.unwrap();
    let turn = AtomicUsize::new(0);
    let quotas = PostgresQuotas::new(move || {
        let turn = turn.fetch_add(1, Ordering::Relaxed) % clients.len();
        let client = clients.get(turn).map(Arc::clone);
        async move { client.ok_or_else(|| BoxError::from("none")) }
    });
    (servers, quotas)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_are_given_exactly_a_hundred() {
    let (_servers, store) = store(16).await;
    let plugin = claim("plugins", Quota::stock(100));
    let counted = join_all((0..200).map(|_| store.consume(&plugin))).await;
    let is_denied = |error: &QuotaError| error.rejected().is_some();
    assert_eq!(
        counted.iter().filter(|counted| counted.is_ok()).count(),
        100
    );
    let refused = counted.iter().filter_map(|counted| counted.as_ref().err());
    assert_eq!(refused.filter(|error| is_denied(error)).count(), 100);
    let usage = store.usage(&plugin).await;
    assert_eq!((usage.used, usage.remaining()), (100, 0));
}

/// Inserts a plugin and counts it; every third changes its mind.
async fn insert(url: &str, plugin: &Claim, number: usize) -> Result<(), QuotaError> {
    let mut client = connect(url).await;
    let tx = client.transaction().await.unwrap();
    tx.execute("INSERT INTO plugins DEFAULT VALUES", &[])
        .await
        .unwrap();
    PostgresQuotas::consume_in(&tx, plugin).await?;
    match number % 3 {
        0 => tx.rollback().await.unwrap(),
        1 => tx.commit().await.unwrap(),
        // Dropped in the middle: the connection rolls back, or is gone.
        _ => drop(tx),
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_in_a_transaction_is_what_is_committed() {
    let servers = Postgres::builder().start().await.unwrap();
    let url = servers.primary().url();
    let mut client = connect(&url).await;
    PostgresQuotas::create_tables(&client).await.unwrap();
    let table = "CREATE TABLE plugins (id bigserial PRIMARY KEY)";
    client.batch_execute(table).await.unwrap();
    let plugin = claim("plugins", Quota::stock(20));
    for round in 0..6 {
        join_all((0..40).map(|n| insert(&url, &plugin, round + n))).await;
    }
    let rows = client.query_one("SELECT count(*) FROM plugins", &[]).await;
    let rows: i64 = rows.unwrap().get(0);
    assert_eq!(rows, 20);

    // A refusal leaves the transaction as it was, and a deletion counts with it.
    let tx = client.transaction().await.unwrap();
    let refused = PostgresQuotas::consume_in(&tx, &plugin).await.unwrap_err();
    assert_eq!(refused.exceeded_by().unwrap().used, 20);
    tx.execute(
        "DELETE FROM plugins WHERE id IN (SELECT min(id) FROM plugins)",
        &[],
    )
    .await
    .unwrap();
    let usage = PostgresQuotas::give_back_in(&tx, &plugin).await.unwrap();
    assert_eq!(usage.remaining(), 1);
    tx.commit().await.unwrap();
    // A server that ends a connection in the middle has counted nothing.
    let tx = client.transaction().await.unwrap();
    PostgresQuotas::consume_in(&tx, &plugin).await.unwrap();
    let ended = tx
        .batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")
        .await;
    assert!(ended.is_err());
    drop(tx);
    let mut client = connect(&url).await;
    let tx = client.transaction().await.unwrap();
    assert_eq!(
        PostgresQuotas::consume_in(&tx, &plugin).await.unwrap().used,
        20
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_a_hundred_times_at_once_counts_once() {
    let (_servers, store) = store(16).await;
    let bytes = claim("bytes", Quota::stock(1_000)).units(7);
    for round in 0..10 {
        let key = format!("upload-{round}");
        let reserved = join_all((0..50).map(|_| store.reserve(&bytes, &key, HOUR))).await;
        let first = reserved
            .into_iter()
            .filter(|usage| !usage.as_ref().unwrap().repeated);
        assert_eq!(first.count(), 1);
        let settled = join_all((0..10).map(|_| store.commit(&bytes, &key, 5))).await;
        let first = settled
            .into_iter()
            .filter(|usage| !usage.as_ref().unwrap().repeated);
        assert_eq!(first.count(), 1);
        let key = format!("row-{round}");
        let counted = join_all((0..50).map(|_| store.consume_once(&bytes, &key))).await;
        let first = counted
            .into_iter()
            .filter(|usage| !usage.as_ref().unwrap().repeated);
        assert_eq!(first.count(), 1);
    }
    let usage = store.usage(&bytes).await;
    assert_eq!((usage.used, usage.reserved), (120, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_while_it_is_committed_is_settled_once() {
    let (_servers, store) = store(16).await;
    let bytes = claim("bytes", Quota::stock(1_000));
    let keys: Vec<_> = (0..200).map(|key| format!("upload-{key}")).collect();
    for key in &keys {
        store.reserve(&bytes, key, Duration::ZERO).await.unwrap();
    }
    let sweeps = join_all((0..20).map(|_| store.sweep()));
    let commits = join_all(keys.iter().map(|key| store.commit(&bytes, key, 1)));
    let (sweeps, commits) = tokio::join!(sweeps, commits);
    let late = commits.iter().filter(|usage| usage.as_ref().unwrap().late);
    assert_eq!(late.count() as u64, sweeps.iter().sum::<u64>());
    let usage = store.usage(&bytes).await;
    assert_eq!((usage.used, usage.reserved), (200, 0));
}
