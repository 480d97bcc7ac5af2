//! A server that has no room left, or panics for it.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use towerblock_postgres::{Cluster, Error};
use towerblock_testkit::{Postgres, Server};

use crate::stopwatch::Stopwatch;
use crate::{alone, attempts, cluster, number, schema, set_up, until};

const SOON: Duration = Duration::from_secs(5);
const ADD: &str = "INSERT INTO items (owner) VALUES (1)";
const ADDED: &str = "SELECT count(*) FROM t000000000001.items";

async fn count(cluster: &Cluster) -> Result<i64, Error> {
    let (one, sql) = (schema(1), "SELECT count(*) FROM items");
    Ok(cluster.read(&one).query("count", sql, &[]).await?[0].get(0))
}

async fn write(cluster: &Cluster, label: &'static str, sql: &str) -> Result<u64, Error> {
    let one = schema(1);
    cluster.write(&one).execute(label, sql, &[]).await
}

async fn data(server: &Server) -> PathBuf {
    let path = server.sql("SHOW data_directory").await.unwrap();
    path.unwrap().into()
}

/// No file of the server's that clients write grows beyond this.
async fn limit(server: &Server, bytes: &str) {
    let all = "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let clients = server.sql(all).await.unwrap().unwrap_or_default();
    let owner = std::fs::metadata(data(server).await).unwrap();
    let postmaster = server.pid().unwrap().to_string();
    for pid in clients.split(' ').chain([&*postmaster]) {
        let mut command = Command::new("prlimit");
        command.uid(owner.uid()).gid(owner.gid());
        let set = command.args(["--pid", pid, &format!("--fsize={bytes}:")]);
        // Whoever has ended meanwhile writes nothing.
        let done = set.status().unwrap().success();
        assert!(done || pid != postmaster);
    }
}

#[tokio::test]
async fn a_disk_that_is_full_refuses_what_needs_room_and_nothing_else() {
    let _alone = alone().await;
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let server = postgres.primary();
    let sql = "CREATE TABLE t000000000001.much (filler text)";
    server.sql(sql).await.unwrap();
    let cluster = cluster(&postgres, 2);
    assert_eq!(count(&cluster).await.unwrap(), 1);
    // A segment of the log is just as large; half of a page is what a full disk leaves.
    limit(server, "16781312").await;
    let fill = "INSERT INTO much SELECT repeat('x', 1900) FROM generate_series(1, 10000)";
    for n in 1..=3_u64 {
        let error = write(&cluster, "fill", fill).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "53100", "{error}");
        assert!(!error.is_commit_unknown());
        assert_eq!(attempts(&cluster, "fill"), n, "it is not filled by trying");
        let one = schema(1);
        let work = cluster.write(&one).transaction("both", async |tx| {
            tx.execute(ADD, &[]).await?;
            tx.execute(fill, &[]).await
        });
        let error = work.await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "53100", "{error}");
        // Others have room in the pages that there are.
        for _ in 0..5 {
            assert_eq!(write(&cluster, "add", ADD).await.unwrap(), 1);
            count(&cluster).await.unwrap();
        }
        assert!(!cluster.servers()[0].is_away);
    }
    assert_eq!(count(&cluster).await.unwrap(), 1 + 3 * 5);
    limit(server, "unlimited").await;
    assert_eq!(write(&cluster, "fill", fill).await.unwrap(), 10_000);
}

#[tokio::test]
async fn a_server_that_panics_is_refused_in_time_and_used_again_when_it_is_back() {
    let _alone = alone().await;
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let server = postgres.primary();
    let cluster = cluster(&postgres, 4);
    assert_eq!(write(&cluster, "add", ADD).await.unwrap(), 1);
    let data = data(server).await;
    let (log, gone) = (data.join("pg_wal"), data.join("gone"));
    std::fs::rename(&log, &gone).unwrap();
    // It cannot write its log, nor recover from that.
    let _ = server.sql("SELECT pg_switch_wal()").await;
    let (start, mut outcomes) = (Instant::now(), Vec::new());
    while start.elapsed() < Duration::from_millis(600) {
        let calls = (0..5).map(async |_| {
            let start = Stopwatch::start();
            let outcome = write(&cluster, "add", ADD).await;
            (outcome, start.elapsed())
        });
        outcomes.extend(join_all(calls).await);
        sleep(Duration::from_millis(5)).await;
    }
    // By itself it would give up seconds later.
    server.kill().await.unwrap();
    std::fs::rename(&gone, &log).unwrap();
    server.start().await.unwrap();
    until(SOON, async || count(&cluster).await.is_ok()).await;
    let (mut fine, mut unknown, mut refused) = (0, 0, 0);
    for (outcome, took) in &outcomes {
        assert!(*took < Duration::from_secs(2), "{took:?}");
        match outcome {
            Ok(_) => fine += 1,
            Err(error) if error.is_commit_unknown() => unknown += 1,
            Err(error) if error.rejected().is_some() => refused += 1,
            Err(error) => assert!(error.code().is_some(), "{error}"),
        }
    }
    assert!(refused > 10, "it did not panic: {refused}");
    let added = number(server, ADDED).await;
    let least = i64::from(2 + fine);
    let most = least + i64::from(unknown);
    assert!(
        (least..=most).contains(&added),
        "{added}, {least} to {most}"
    );
    assert_eq!(write(&cluster, "add", ADD).await.unwrap(), 1);
}
