//! A server that ends when the last of its clients has left.

use std::process::Command;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use towerblock_postgres::{Cluster, Error};
use towerblock_testkit::Postgres;

use crate::{alone, cluster, schema, set_up, until};

const PID: &str = "SELECT pg_backend_pid() FROM items";
const SOON: Duration = Duration::from_secs(5);

async fn read(cluster: &Cluster, sql: &str) -> Result<i32, Error> {
    let one = schema(1);
    let rows = cluster.read(&one).query("read", sql, &[]).await?;
    Ok(rows[0].get(0))
}

async fn write(cluster: &Cluster) -> Result<u64, Error> {
    let (one, add) = (schema(1), "INSERT INTO items (owner) VALUES (1)");
    cluster.write(&one).execute("add", add, &[]).await
}

/// As many connections as there are reads at once.
async fn warm(cluster: &Cluster, connections: usize) {
    let sql = "SELECT pg_backend_pid(), pg_sleep(0.05) FROM items";
    let pids = join_all((0..connections).map(|_| read(cluster, sql))).await;
    assert!(pids.iter().all(Result::is_ok));
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// It waits until they have gone by themselves, and takes nobody new meanwhile.
#[tokio::test]
async fn a_server_that_is_asked_to_end_goes_on_for_those_who_are_there() {
    let _alone = alone().await;
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let server = postgres.primary();
    let cluster = cluster(&postgres, 4);
    warm(&cluster, 4).await;
    signal("-TERM", server.pid().unwrap());
    until(SOON, async || server.sql("SELECT 1").await.is_err()).await;
    let late = crate::cluster(&postgres, 2);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(600) {
        assert!(read(&cluster, PID).await.is_ok());
        assert_eq!(write(&cluster).await.unwrap(), 1);
        let error = read(&late, PID).await.unwrap_err();
        assert!(error.rejected().is_some(), "{error}");
        sleep(Duration::from_millis(5)).await;
    }
    drop(cluster);
    until(SOON, async || {
        server.start().await.unwrap();
        server.sql("SELECT 1").await.is_ok()
    })
    .await;
    until(SOON, async || read(&late, PID).await.is_ok()).await;
}
