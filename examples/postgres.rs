//! `cargo run --example postgres`: two tenants on one connection, a call that is dropped, a
//! client that reads what it wrote, and a primary that goes away.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use towerblock_core::{BoxError, TenantId};
use towerblock_postgres::{Binding, Budget, Cluster, Error, SchemaName, Scope, Servers, Settings};
use towerblock_testkit::Postgres;

const ADD: &str = "INSERT INTO notes (text) VALUES ($1)";
const COUNT: &str = "SELECT count(*) FROM notes";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    if !Postgres::is_installed() {
        println!("no PostgreSQL binaries found: there is nothing to show");
        return Ok(());
    }
    // A standby that is half a second late, so that reading one's own writes takes some care.
    let late = Postgres::builder().setting("recovery_min_apply_delay", "500ms");
    let postgres = late.standbys(1).start().await?;
    let (acme, globex) = (tenant("acme", 1)?, tenant("globex", 2)?);
    for key in [1, 2] {
        let schema = SchemaName::from_key(key);
        let sql = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.notes (text text)");
        postgres.primary().sql(&sql).await?;
    }
    postgres.caught_up().await?;
    let servers = Servers::new(&postgres.primary().url())?;
    let standby = postgres.standbys().first().ok_or("there is a standby")?;
    let servers = servers.replica(&standby.url())?;
    let one = Budget::fixed(NonZeroUsize::MIN);
    let cluster = Cluster::start(servers, Settings::new(one));
    // It reads from a standby once it knows how late that is.
    while cluster.servers().iter().all(|server| server.lag.is_none()) {
        sleep(Duration::from_millis(10)).await;
    }

    // One connection to each server, and each tenant sees its own.
    let request = Scope::new(Duration::from_secs(60));
    for text in ["first", "second"] {
        let write = cluster.write(&acme).within(&request);
        write.execute("notes.add", ADD, &[&text]).await?;
    }
    let (own, later) = (
        count(&cluster, &acme, Some(&request)).await?,
        count(&cluster, &acme, None).await?,
    );
    println!("acme wrote 2 notes and reads {own}; who did not write reads {later} for a while");
    assert_eq!(own, 2);
    assert_eq!(count(&cluster, &globex, Some(&request)).await?, 0);
    println!("globex reads 0, on the same connection");

    // Dropped in the middle, a transaction has not happened, and its connection is clean.
    let forgetful = cluster
        .write(&acme)
        .transaction("notes.forget", async |tx| {
            tx.execute(ADD, &[&"third"]).await?;
            tx.query("SELECT pg_sleep(60)", &[]).await?;
            Ok::<_, Error>(())
        });
    let dropped = timeout(Duration::from_millis(200), forgetful).await;
    assert!(dropped.is_err());
    assert_eq!(count(&cluster, &acme, Some(&request)).await?, 2);
    println!("acme's transaction was dropped: still 2 notes");

    outage(&postgres, &cluster, &acme).await?;
    for label in cluster.statistics().report(Instant::now()).labels {
        println!(
            "{:>13}: {} times, p99 {:?}",
            label.label, label.queries, label.execute.p99
        );
    }
    Ok(())
}

/// Without the primary reads go on, and writes are refused at once.
async fn outage(postgres: &Postgres, cluster: &Cluster, acme: &Binding) -> Result<(), BoxError> {
    sleep(Duration::from_secs(1)).await;
    postgres.primary().kill().await?;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(count(cluster, acme, None).await?, 2);
    let start = Instant::now();
    let refused = cluster.write(acme).execute("notes.add", ADD, &[&"fourth"]);
    let refused = refused.await.err().ok_or("there is no primary")?;
    println!(
        "the primary is away, reads go on; a write, after {:?}: {refused}",
        start.elapsed()
    );
    let reason = refused.rejected().ok_or("refused")?;
    assert!(reason.retry_after().is_some());

    postgres.primary().start().await?;
    while let Err(error) = cluster
        .write(acme)
        .execute("notes.add", ADD, &[&"fourth"])
        .await
    {
        assert!(error.rejected().is_some(), "{error}");
        sleep(Duration::from_millis(20)).await;
    }
    println!("it is back, and takes writes");
    Ok(())
}

fn tenant(name: &str, key: u64) -> Result<Binding, BoxError> {
    let tenant = TenantId::new(name)?;
    Ok(Binding::schema(&tenant, SchemaName::from_key(key)))
}

async fn count(cluster: &Cluster, binding: &Binding, scope: Option<&Scope>) -> Result<i64, Error> {
    let read = cluster.read(binding);
    let read = match scope {
        Some(scope) => read.within(scope),
        None => read,
    };
    let rows = read.query("notes.count", COUNT, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}
