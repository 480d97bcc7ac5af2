//! A primary that was left behind, and follows the one that was promoted in its place.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use towerblock_postgres::{Cluster, Error, Scope};
use towerblock_testkit::{Postgres, Server};

use crate::{alone, cluster, known, number, schema, set_up, until};

const COUNT: &str = "SELECT count(*) FROM t000000000001.items";
const ADD: &str = "INSERT INTO items (owner) VALUES (1)";
const SOON: Duration = Duration::from_secs(8);

/// How many there are, and the port of the server that says so.
async fn read(cluster: &Cluster, scope: Option<&Scope>) -> Result<(i64, u16), Error> {
    let one = schema(1);
    let mut read = cluster.read(&one);
    if let Some(scope) = scope {
        read = read.within(scope);
    }
    let sql = "SELECT count(*), inet_server_port() FROM items";
    let rows = read.query("count", sql, &[]).await?;
    let port = u16::try_from(rows[0].get::<_, i32>(1)).unwrap();
    Ok((rows[0].get(0), port))
}

async fn write(cluster: &Cluster, scope: &Scope) -> Result<u64, Error> {
    let one = schema(1);
    let write = cluster.write(&one).within(scope);
    write.execute("add", ADD, &[]).await
}

async fn path(server: &Server, question: &str) -> PathBuf {
    server.sql(question).await.unwrap().unwrap().into()
}

/// `behind` is down, and follows `source` from its next start on.
fn rewind(program: PathBuf, behind: PathBuf, source: &Server) {
    let owner = std::fs::metadata(&behind).unwrap();
    let from = format!(
        "host=127.0.0.1 port={} user=towerblock dbname=towerblock",
        source.port()
    );
    let mut command = Command::new(program);
    command.uid(owner.uid()).gid(owner.gid()).current_dir("/");
    command.args(["--no-sync", "--write-recovery-conf", "--source-server"]);
    command.arg(from).arg("--target-pgdata").arg(behind);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_primary_that_was_rewound_is_read_as_a_replica() {
    let _alone = alone().await;
    let postgres = Postgres::builder()
        .setting("wal_log_hints", "on")
        .setting("full_page_writes", "on")
        .standbys(1)
        .start()
        .await
        .unwrap();
    set_up(&postgres, 1).await;
    let (old, new) = (postgres.primary(), &postgres.standbys()[0]);
    let programs = "SELECT setting FROM pg_config WHERE name = 'BINDIR'";
    let program = path(old, programs).await.join("pg_rewind");
    let data = path(old, "SHOW data_directory").await;
    let cluster = cluster(&postgres, 4);
    known(&cluster).await;
    let scope = Scope::new(Duration::from_secs(60));
    write(&cluster, &scope).await.unwrap();
    postgres.caught_up().await.unwrap();
    // What the old one alone has is lost with it.
    new.promote().await.unwrap();
    let lost = "INSERT INTO t000000000001.items (owner) SELECT 1 FROM generate_series(1, 100)";
    old.sql(lost).await.unwrap();
    new.sql("CHECKPOINT").await.unwrap();
    old.stop().await.unwrap();
    until(SOON, async || write(&cluster, &scope).await.is_ok()).await;
    let count = async || number(new, COUNT).await;
    assert_eq!(read(&cluster, Some(&scope)).await.unwrap().0, count().await);
    rewind(program, data, new);
    old.start().await.unwrap();
    until(SOON, async || {
        cluster.servers()[0].is_primary == Some(false)
    })
    .await;

    // It is slow to be trusted; nobody sees what was lost, or misses what was written.
    let (start, mut from_old) = (Instant::now(), 0);
    while from_old < 10 {
        assert!(start.elapsed() < SOON, "{:?}", cluster.servers());
        write(&cluster, &scope).await.unwrap();
        let (seen, port) = read(&cluster, Some(&scope)).await.unwrap();
        assert_eq!(seen, count().await, "from {port}");
        from_old += usize::from(port == old.port());
        assert!(read(&cluster, None).await.unwrap().0 <= seen);
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(cluster.servers()[1].is_primary, Some(true));
    assert!(cluster.servers()[0].lag.is_some());
}
