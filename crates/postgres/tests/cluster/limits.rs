//! Whatever waits has an end, and says why it did not get further.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use towerblock_core::Reason;
use towerblock_postgres::{Binding, Cluster, Error, Limits, Servers, Settings};
use towerblock_testkit::Postgres;

use crate::relay::Relay;
use crate::stopwatch::Stopwatch;
use crate::{
    attempts, budget, cluster, number, row_level, schema, servers, set_up, through, until,
};

const PID: &str = "SELECT pg_backend_pid()";
const MOMENT: Duration = Duration::from_millis(300);
/// The promise for every call, whatever happens: no longer than its deadline and this.
const SLACK: Duration = Duration::from_millis(100);

async fn pid(cluster: &Cluster) -> i32 {
    let rows = cluster.read(&schema(1)).query("pid", PID, &[]).await;
    rows.unwrap()[0].get(0)
}

fn unavailable(error: &Error) {
    let rejected = error.rejected().map(towerblock_core::Rejected::reason);
    assert_eq!(rejected, Some(Reason::Unavailable), "{error}");
}

/// The server ends it before the client gives it up: nobody cancels, and the connection is
/// good for the next.
#[tokio::test]
async fn a_statement_ends_before_the_deadline_of_its_call_and_leaves_its_connection() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 1);
    let (one, first) = (schema(1), pid(&cluster).await);
    let (mut round, mut calls) = (0, 0);
    while round < 3 {
        let before = Instant::now() + 2 * MOMENT;
        calls += 1;
        let slow = "SELECT pg_sleep(60)";
        let error = match round {
            0 => {
                let read = cluster.read(&one).before(before);
                read.query("slow", slow, &[]).await.unwrap_err()
            }
            1 => {
                let write = cluster.write(&one).before(before);
                write.query("slow", slow, &[]).await.unwrap_err()
            }
            _ => {
                let write = cluster.write(&one).before(before);
                let work = write.transaction("slow", async |tx| tx.query(slow, &[]).await);
                work.await.unwrap_err()
            }
        };
        unavailable(&error);
        if Instant::now() >= before {
            // The server was to speak 50 ms before, and had no processor to.
            assert!(calls < 30, "it never ends before");
            continue;
        }
        round += 1;
        assert!(error.to_string().contains("57014"), "{error}");
        assert!(!error.is_commit_unknown());
        assert_eq!(cluster.servers()[0].cleaning, 0);
        assert_eq!(pid(&cluster).await, first);
    }
    let told = attempts(&cluster, "slow");
    assert_eq!(told, calls, "more time is no help");
}

#[tokio::test]
async fn who_waits_for_a_lock_waits_as_long_as_it_said() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 2);
    let one = schema(1);
    let holder = cluster.dedicated("holder", &one).await.unwrap();
    let lock = "BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE";
    holder.batch_execute(lock).await.unwrap();
    let touch = "UPDATE items SET owner = owner";
    let start = Stopwatch::start();
    let write = cluster.write(&one).before(Instant::now() + MOMENT);
    let error = write.execute("touch", touch, &[]).await.unwrap_err();
    assert!(start.elapsed() < MOMENT, "{:?}", start.elapsed());
    unavailable(&error);

    let start = Stopwatch::start();
    let write = cluster.write(&one);
    let error = write.transaction("touch", async |tx| {
        tx.execute("SET LOCAL lock_timeout = 50", &[]).await?;
        tx.execute(touch, &[]).await
    });
    let error = error.await.unwrap_err();
    assert!(start.elapsed() < MOMENT, "{:?}", start.elapsed());
    assert!(error.to_string().contains("55P03"), "{error}");
    drop(holder);
    assert_eq!(write.execute("touch", touch, &[]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_transaction_that_waits_too_long_is_rolled_back() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let mut limits = Limits::default();
    limits.idle_in_transaction = MOMENT / 2;
    let settings = Settings::new(budget(1)).limits(limits);
    let cluster = Cluster::start(servers(&postgres), settings);
    let one = schema(1);
    let add = "INSERT INTO items (owner) VALUES (1)";
    let first = pid(&cluster).await;
    let idle = async |before: Duration, for_: Duration| -> Result<(), Error> {
        let write = cluster.write(&one).before(Instant::now() + before);
        let work = write.transaction("idle", async |tx| {
            tx.execute(add, &[]).await?;
            sleep(for_).await;
            tx.execute(add, &[]).await?;
            Ok(())
        });
        work.await
    };
    // Longer than its deadline.
    let start = Stopwatch::start();
    let error = idle(MOMENT / 3, 20 * MOMENT).await.unwrap_err();
    assert!(start.elapsed() < MOMENT / 3 + SLACK);
    unavailable(&error);
    assert!(!error.is_commit_unknown(), "no commit was sent: {error}");
    assert_eq!(pid(&cluster).await, first, "its connection is cleaned");
    // Longer than the server allows.
    let error = idle(10 * MOMENT, MOMENT).await.unwrap_err();
    unavailable(&error);
    assert_ne!(pid(&cluster).await, first, "its connection is gone");
    let count = "SELECT count(*) FROM t000000000001.items";
    assert_eq!(number(postgres.primary(), count).await, 1);
}

#[tokio::test]
async fn who_gets_no_connection_is_told_who_has_them() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 2).await;
    let mut limits = Limits::default();
    limits.acquire = MOMENT;
    let settings = Settings::new(budget(1)).limits(limits);
    let cluster = Cluster::start(servers(&postgres), settings);
    let (one, two) = (schema(1), row_level(2));
    pid(&cluster).await;
    // Within itself, it waits for what it holds.
    let nested: Result<(), Error> = cluster
        .write(&one)
        .transaction("outer", async |_| {
            let start = Stopwatch::start();
            let reads = (0..5).map(|_| cluster.read(&two).query("inner", "SELECT 1", &[]));
            for outcome in join_all(reads).await {
                let text = outcome.unwrap_err().to_string();
                assert!(text.contains("tenant-1 holds 1"), "{text}");
            }
            let took = start.elapsed();
            assert!(took < MOMENT + SLACK, "{took:?}");
            Ok(())
        })
        .await;
    nested.unwrap();
    let start = Stopwatch::start();
    let next = cluster.read(&two).query("inner", "SELECT 1", &[]).await;
    assert_eq!(next.unwrap().len(), 1);
    assert!(start.elapsed() < SLACK);
}

#[tokio::test]
async fn a_server_without_room_says_so_and_is_not_stormed() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let sql =
        "CREATE ROLE crowd LOGIN CONNECTION LIMIT 2; GRANT ALL ON SCHEMA t000000000001 TO crowd;
        GRANT ALL ON ALL TABLES IN SCHEMA t000000000001 TO crowd";
    postgres.primary().sql(sql).await.unwrap();
    let relay = Relay::start(postgres.primary().addr()).await;
    let url = through(postgres.primary(), relay.addr).replace("towerblock@", "crowd@");
    let crowd = |size| Cluster::start(Servers::new(&url).unwrap(), Settings::new(budget(size)));
    // One to ask how it is, one for calls; the next two have to do without.
    let first = crowd(4);
    let all = Binding::shared();
    let one = first.read(&all).query("one", "SELECT 1", &[]).await;
    assert_eq!(one.unwrap().len(), 1);
    let both = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'crowd'";
    until(Duration::from_secs(2), async || {
        number(postgres.primary(), both).await == 2
    })
    .await;
    let second = crowd(4);
    let (before, start) = (relay.count(), Instant::now());
    let mut failed = 0;
    while start.elapsed() < 2 * MOMENT {
        let reads = (0..10).map(|_| second.read(&all).query("two", "SELECT 1", &[]));
        for outcome in join_all(reads).await {
            let error = outcome.unwrap_err();
            unavailable(&error);
            failed += 1;
            let text = error.to_string();
            assert!(text.contains("53300"), "{text}");
        }
        sleep(Duration::from_millis(5)).await;
    }
    let tried = relay.count() - before;
    assert!(failed >= 50, "{failed}");
    assert!(
        tried <= 30,
        "{tried} attempts in a second for {failed} calls"
    );
    // With two of its own it shares what there is, and those who wait are served.
    let reads = (0..50).map(|_| first.read(&all).query("three", "SELECT 1", &[]));
    for outcome in join_all(reads).await {
        assert_eq!(outcome.unwrap().len(), 1);
    }
    drop(first);
    until(Duration::from_secs(3), async || {
        let two = second.read(&all).query("two", "SELECT 1", &[]).await;
        two.is_ok()
    })
    .await;
}
