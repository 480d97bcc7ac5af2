//! Backends that hang or die, and servers that are stopped and started.

use std::process::Command;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use towerblock_postgres::{Cluster, Error, Servers, Settings};
use towerblock_testkit::{Postgres, Server};

use crate::relay::Relay;
use crate::stopwatch::Stopwatch;
use crate::{budget, cluster, number, schema, set_up, through, until};

const PID: &str = "SELECT pg_backend_pid() FROM items";
const SLOW: &str = "SELECT pg_backend_pid(), pg_sleep(0.3) FROM items";
const SOON: Duration = Duration::from_secs(2);

async fn read(cluster: &Cluster, sql: &str) -> Result<i32, Error> {
    let one = schema(1);
    let rows = cluster.read(&one).query("read", sql, &[]).await?;
    Ok(rows[0].get(0))
}

/// As many connections as there are reads at once.
async fn warm(cluster: &Cluster, connections: usize) -> Vec<i32> {
    let sql = "SELECT pg_backend_pid(), pg_sleep(0.05) FROM items";
    let pids = join_all((0..connections).map(|_| read(cluster, sql))).await;
    pids.into_iter().map(Result::unwrap).collect()
}

fn signal(name: &str, pid: i64) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

#[tokio::test]
async fn a_backend_that_hangs_is_left_out_and_nobody_else_notices() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 4);
    let pids = warm(&cluster, 4).await;
    // Those who waited for a connection may have had one of the first.
    let hung = *pids.iter().max().unwrap();
    // Idle for so long, each is tested before it is lent.
    sleep(Duration::from_millis(550)).await;
    signal("-STOP", hung.into());
    let start = Stopwatch::start();
    let served = join_all((0..4).map(|_| read(&cluster, SLOW))).await;
    let took = start.elapsed();
    let served: Vec<i32> = served.into_iter().map(Result::unwrap).collect();
    assert!(!served.contains(&hung));
    // A test of 200 ms, once, and the statement itself.
    assert!(took < Duration::from_millis(900), "{took:?}");
    for _ in 0..50 {
        let start = Stopwatch::start();
        assert_ne!(read(&cluster, PID).await.unwrap(), hung);
        assert!(start.elapsed() < Duration::from_millis(100));
    }
    assert!(cluster.servers()[0].open <= 4);

    // In the middle of a statement: that one alone is lost, at its deadline.
    let before = Instant::now() + Duration::from_millis(400);
    let one = schema(1);
    let slow = cluster.write(&one).before(before);
    let slow = slow.query("hangs", "SELECT pg_sleep(0.2)", &[]);
    let stop = async {
        let sql = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.2)%' AND state = 'active' AND pid <> pg_backend_pid()";
        let mut found = None;
        until(SOON, async || {
            found = postgres.primary().sql(sql).await.unwrap();
            found.is_some()
        })
        .await;
        let pid: i64 = found.unwrap().parse().unwrap();
        signal("-STOP", pid);
        let others = join_all((0..20).map(|_| read(&cluster, PID))).await;
        let failed = others.iter().find(|outcome| outcome.is_err());
        assert!(failed.is_none(), "{failed:?}");
        pid
    };
    let (outcome, pid) = tokio::join!(slow, stop);
    assert!(outcome.is_err());
    let late = Instant::now().saturating_duration_since(before);
    assert!(late < Duration::from_millis(100), "{late:?}");
    let others = join_all((0..20).map(|_| read(&cluster, PID))).await;
    let failed = others.iter().find(|outcome| outcome.is_err());
    assert!(failed.is_none(), "{failed:?}");
    signal("-CONT", pid);
    signal("-CONT", hung.into());
}

/// A server whose backend dies ends all others, and is not there for a while.
#[tokio::test]
async fn reads_go_on_while_a_server_recovers_from_the_death_of_a_backend() {
    let postgres = Postgres::builder().standbys(1).start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 4);
    crate::known(&cluster).await;
    let standby = &postgres.standbys()[0];
    for server in [postgres.primary(), standby] {
        let victim = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1";
        warm(&cluster, 8).await;
        let victim = number(server, victim).await;
        let (mut reads, mut failed, start) = (0, Vec::new(), Instant::now());
        signal("-KILL", victim);
        while start.elapsed() < Duration::from_millis(1_000) {
            let outcomes = join_all((0..2).map(|_| read(&cluster, PID))).await;
            reads += outcomes.len();
            failed.extend(outcomes.into_iter().filter_map(Result::err));
            sleep(Duration::from_millis(25)).await;
        }
        assert!(
            failed.is_empty(),
            "{} of {reads}: {}",
            failed.len(),
            failed[0]
        );
        until(SOON, async || write(&cluster).await.is_ok()).await;
    }
}

async fn write(cluster: &Cluster) -> Result<u64, Error> {
    let one = schema(1);
    let touch = "UPDATE items SET owner = owner";
    cluster.write(&one).execute("write", touch, &[]).await
}

async fn terminate(server: &Server, which: &str) -> i64 {
    let sql = format!(
        "SELECT count(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND {which}"
    );
    number(server, &sql).await
}

#[tokio::test]
async fn connections_that_somebody_terminates_are_replaced() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 4);
    let server = postgres.primary();
    let one = schema(1);
    warm(&cluster, 4).await;
    assert!(terminate(server, "query NOT LIKE '%pg_is_in_recovery%'").await >= 1);
    let reads = join_all((0..8).map(|_| read(&cluster, PID))).await;
    assert!(reads.iter().all(Result::is_ok), "idle: {reads:?}");
    write(&cluster).await.unwrap();

    let end = async || {
        let which = "query LIKE '%pg_sleep(0.3)%' AND state = 'active'";
        until(SOON, async || terminate(server, which).await > 0).await;
    };
    let (outcome, _) = tokio::join!(read(&cluster, SLOW), end());
    outcome.unwrap();
    // Undone before its commit, it is done again.
    let add = "INSERT INTO items (owner) SELECT 1 FROM (SELECT pg_sleep(0.3)) AS slow";
    let (outcome, _) = tokio::join!(cluster.write(&one).execute("slow", add, &[]), end());
    assert_eq!(outcome.unwrap(), 1);

    let mut runs = std::cell::Cell::new(0);
    let work = cluster.write(&one).transaction("inside", async |tx| {
        runs.set(runs.get() + 1);
        tx.execute("INSERT INTO items (owner) VALUES (2)", &[])
            .await?;
        if runs.get() == 1 {
            let which = "state = 'idle in transaction'";
            assert_eq!(terminate(server, which).await, 1);
        }
        tx.execute("INSERT INTO items (owner) VALUES (2)", &[])
            .await
    });
    assert_eq!(work.await.unwrap(), 1);
    assert_eq!(*runs.get_mut(), 2);
    let count = "SELECT count(*) FILTER (WHERE owner = 2) - 2 * count(*) FILTER (WHERE owner = 1) FROM t000000000001.items";
    assert_eq!(number(server, count).await, 2 - 2 * 2);
}

#[tokio::test]
async fn a_server_that_is_stopped_and_started_is_used_again_soon_and_not_stormed() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let server = postgres.primary();
    let relay = Relay::start(server.addr()).await;
    let url = through(server, relay.addr);
    let cluster = Cluster::start(Servers::new(&url).unwrap(), Settings::new(budget(4)));
    for immediate in [false, true] {
        warm(&cluster, 4).await;
        let before = relay.count();
        if immediate {
            signal("-QUIT", server.pid().unwrap().into());
        } else {
            server.stop().await.unwrap();
        }
        let start = Instant::now();
        until(SOON, async || read(&cluster, PID).await.is_err()).await;
        while start.elapsed() < Duration::from_millis(600) {
            let calls = (0..10).map(|_| read(&cluster, PID));
            for outcome in join_all(calls).await {
                assert!(outcome.unwrap_err().rejected().is_some());
            }
            sleep(Duration::from_millis(5)).await;
        }
        until(SOON, async || {
            server.start().await.unwrap();
            server.sql("SELECT 1").await.is_ok()
        })
        .await;
        let back = until(SOON, async || {
            let calls = join_all((0..20).map(|_| read(&cluster, PID))).await;
            calls.iter().all(Result::is_ok) && write(&cluster).await.is_ok()
        });
        let back = back.await;
        let tried = relay.count() - before;
        println!("immediate: {immediate}, back after {back:?}, {tried} connections");
        assert!(tried <= 30, "{tried} connections");
        assert!(cluster.servers()[0].open <= 4);
    }
}
