//! Reads from replicas that are behind.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;
use towerblock_postgres::{Cluster, Error, Replicas, Scope, Settings, TokenKeys};
use towerblock_testkit::Postgres;

use crate::roles::{replay, started};
use crate::{PATIENCE, budget, cluster, cluster_with, known, schema, set_up, until};

const COUNT: &str = "SELECT count(*) FROM items";
const ADD: &str = "INSERT INTO items (owner) VALUES (1)";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn count(cluster: &Cluster, scope: Option<&Scope>) -> Result<i64, Error> {
    let binding = schema(1);
    let read = cluster.read(&binding);
    let read = match scope {
        Some(scope) => read.within(scope),
        None => read,
    };
    Ok(read.query("count", COUNT, &[]).await?[0].get(0))
}

/// 10,000 would take long with a replica that is always late: what matters is each.
#[tokio::test]
async fn who_wrote_reads_what_it_wrote_whatever_the_replica_has() {
    let delays = ["0", "200ms", "2s"];
    let stale = join_all(delays.map(write_and_read)).await;
    println!("reads without the token that are stale, by delay: {delays:?} {stale:?}");
}

async fn write_and_read(delay: &str) -> u32 {
    let postgres = Postgres::builder()
        .setting("recovery_min_apply_delay", delay)
        .standbys(1)
        .start()
        .await
        .unwrap();
    set_up(&postgres, 1).await;
    // The primary bears them all, also while its only replica is too late for anybody.
    let mut replicas = Replicas::default();
    replicas.fallback_percent = 100;
    let settings = Settings::new(budget(4)).replicas(replicas);
    let cluster = cluster_with(&postgres, settings);
    known(&cluster).await;
    let keys = TokenKeys::new([[7; 32]]).unwrap();
    let (mut stale, mut written) = (0, 1);
    let times = if delay == "0" { 500 } else { 40 };
    for _ in 0..times {
        let scope = Scope::new(DAY);
        let binding = schema(1);
        let write = cluster.write(&binding).within(&scope);
        write.execute("add", ADD, &[]).await.unwrap();
        written += 1;
        assert_eq!(
            count(&cluster, Some(&scope)).await.unwrap(),
            written,
            "{delay}"
        );
        // Another request, of the same client or a job.
        let text = scope.token_text(&keys).unwrap();
        let later = Scope::new(DAY).with_token_text(&text, &keys);
        assert_eq!(
            count(&cluster, Some(&later)).await.unwrap(),
            written,
            "{delay}"
        );
        if count(&cluster, None).await.unwrap() < written {
            stale += 1;
        }
    }
    assert!(
        delay == "0" || delay == "2s" || stale > 0,
        "the test would not notice"
    );
    stale
}

#[tokio::test]
async fn a_replica_that_lags_beyond_the_bound_is_not_read() {
    let postgres = Postgres::builder()
        .setting("recovery_min_apply_delay", "2500ms")
        .standbys(1)
        .start()
        .await
        .unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 4);
    sleep(Duration::from_millis(600)).await;
    let binding = schema(1);
    cluster
        .write(&binding)
        .execute("add", ADD, &[])
        .await
        .unwrap();
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(count(&cluster, None).await.unwrap(), 2);
}

#[tokio::test]
async fn a_late_replica_is_read_while_the_primary_is_gone() {
    let postgres = started(1).await;
    let cluster = cluster(&postgres, 4);
    known(&cluster).await;
    replay(&postgres.standbys()[0], false).await;
    let binding = schema(1);
    let write = cluster.write(&binding).execute("add", ADD, &[]);
    write.await.unwrap();
    let is_late = || cluster.servers()[1].lag > Some(Duration::from_millis(1_500));
    until(PATIENCE, async || is_late()).await;
    assert_eq!(count(&cluster, None).await.unwrap(), 2);
    let read = async {
        let mut late = 0;
        while late < 100 {
            late += i32::from(count(&cluster, None).await.unwrap() == 1);
            sleep(Duration::from_millis(3)).await;
        }
    };
    let ((), killed) = tokio::join!(read, postgres.primary().kill());
    killed.unwrap();
}
