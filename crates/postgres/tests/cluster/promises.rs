//! What was once promised and not kept.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use towerblock_postgres::{Cluster, Error, Scope, Servers, Settings};
use towerblock_testkit::{Postgres, poll_times};

use crate::stopwatch::Stopwatch;
use crate::{PATIENCE, budget, cluster, number, schema, set_up, until};

const COUNT: &str = "SELECT count(*) FROM items";
const ADD: &str = "INSERT INTO items (owner) VALUES (1)";

async fn knows_its_servers(cluster: &Cluster) {
    until(PATIENCE, async || {
        cluster.servers().iter().any(|server| server.lag.is_some())
    })
    .await;
}

#[tokio::test]
async fn a_write_cut_off_by_its_deadline_may_have_been_done_and_is_told_so() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 2);
    let one = schema(1);
    let holder = cluster.dedicated("holder", &one).await.unwrap();
    // Prepared, so that all of it goes in one message.
    let add = cluster.write(&one);
    add.execute("add", ADD, &[]).await.unwrap();
    let lock = "BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE";
    holder.batch_execute(lock).await.unwrap();
    let soon = Instant::now() + Duration::from_secs(2);
    let late = add.before(soon).execute("add", ADD, &[]);
    let hang = async {
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        until(PATIENCE, async || {
            number(postgres.primary(), waits).await > 0
        })
        .await;
        postgres.primary().pause().await.unwrap();
    };
    let (late, ()) = tokio::join!(late, hang);
    postgres.primary().resume().await.unwrap();
    assert!(
        late.as_ref().is_err_and(Error::is_commit_unknown),
        "{late:?}"
    );
}

#[tokio::test]
async fn who_waits_for_a_replica_that_hangs_goes_to_the_primary() {
    let postgres = Postgres::builder().standbys(1).start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 4);
    knows_its_servers(&cluster).await;
    let (one, scope) = (schema(1), Scope::new(Duration::from_secs(60)));
    cluster.read(&one).query("count", COUNT, &[]).await.unwrap();
    postgres.standbys()[0].pause().await.unwrap();
    let start = Stopwatch::start();
    cluster
        .write(&one)
        .within(&scope)
        .execute("add", ADD, &[])
        .await
        .unwrap();
    let rows = cluster
        .read(&one)
        .within(&scope)
        .query("count", COUNT, &[])
        .await
        .unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 2);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    postgres.standbys()[0].resume().await.unwrap();
}

#[tokio::test]
async fn an_instance_that_starts_without_the_primary_reads() {
    let postgres = Postgres::builder().standbys(1).start().await.unwrap();
    set_up(&postgres, 1).await;
    postgres.primary().kill().await.unwrap();
    let cluster = cluster(&postgres, 2);
    let one = schema(1);
    let reads = async || cluster.read(&one).query("count", COUNT, &[]).await.is_ok();
    assert!(until(PATIENCE, reads).await < Duration::from_secs(2));
    assert!(reads().await && reads().await);
    assert!(cluster.write(&one).execute("add", ADD, &[]).await.is_err());
}

#[tokio::test]
async fn a_dedicated_connection_that_is_dropped_at_work_is_ended_at_the_server() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 1);
    let one = schema(1);
    let dedicated = cluster.dedicated("sleep", &one).await.unwrap();
    let sleeps = poll_times(2, dedicated.query("SELECT pg_sleep(3600)", &[])).await;
    assert!(sleeps.is_none());
    sleep(Duration::from_millis(50)).await;
    drop(dedicated);
    let count = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' AND pid <> pg_backend_pid()";
    let is_gone = async || postgres.primary().sql(count).await.unwrap().as_deref() == Some("0");
    assert!(until(PATIENCE, is_gone).await < Duration::from_secs(2));
    cluster.read(&one).query("count", COUNT, &[]).await.unwrap();
}

#[tokio::test]
async fn a_notification_reaches_nobody_who_did_not_listen() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 2).await;
    let cluster = cluster(&postgres, 1);
    let (one, two) = (schema(1), schema(2));
    cluster
        .write(&one)
        .execute("listen", "LISTEN secrets", &[])
        .await
        .unwrap();
    postgres
        .primary()
        .sql("NOTIFY secrets, 'of one'")
        .await
        .unwrap();
    let mut dedicated = cluster.dedicated("mine", &two).await.unwrap();
    dedicated.batch_execute("SELECT 1").await.unwrap();
    let heard = timeout(Duration::from_millis(100), dedicated.notification()).await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test]
async fn of_two_that_take_writes_on_one_timeline_the_first_is_written_to() {
    let ours = Postgres::builder().start().await.unwrap();
    let theirs = Postgres::builder().start().await.unwrap();
    for postgres in [&ours, &theirs] {
        set_up(postgres, 1).await;
    }
    let servers = Servers::new(&ours.primary().url()).unwrap();
    let servers = servers.replica(&theirs.primary().url()).unwrap();
    let cluster = Cluster::start(servers, Settings::new(budget(2)));
    let one = schema(1);
    until(PATIENCE, async || {
        cluster.servers()[1].is_primary == Some(true)
    })
    .await;
    for _ in 0..10 {
        cluster.write(&one).execute("add", ADD, &[]).await.unwrap();
    }
    let rows = cluster.read(&one).query("count", COUNT, &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 11);
}

#[tokio::test]
async fn nothing_ends_the_transaction_that_it_stands_in() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 1);
    let one = schema(1);
    let write = cluster.write(&one);
    assert!(write.execute("end", "COMMIT", &[]).await.is_err());
    let outcome: Result<(), Error> = write
        .transaction("end", async |tx| {
            tx.execute(ADD, &[]).await?;
            tx.execute("/* mine */ COMMIT", &[]).await?;
            Ok(())
        })
        .await;
    assert!(
        outcome
            .unwrap_err()
            .to_string()
            .contains("whoever began it")
    );
    let rows = cluster.read(&one).query("count", COUNT, &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 1);
}
