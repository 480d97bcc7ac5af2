//! Which server is read and written while replicas lag, stop, die and change places.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use towerblock_core::Reason;
use towerblock_postgres::{Cluster, Error, Replicas, Scope, Servers, Settings};
use towerblock_testkit::{Postgres, Server};

use crate::stopwatch::Stopwatch;
use crate::{attempts, budget, cluster, known, number, schema, servers, set_up, until};

const COUNT: &str = "SELECT count(*), inet_server_port() FROM items";
const ADD: &str = "INSERT INTO items (owner) VALUES (1)";
pub(crate) const SOON: Duration = Duration::from_secs(3);
pub(crate) const MOMENT: Duration = Duration::from_millis(300);

pub(crate) async fn started(standbys: usize) -> Postgres {
    let postgres = Postgres::builder()
        .standbys(standbys)
        .start()
        .await
        .unwrap();
    set_up(&postgres, 1).await;
    postgres
}

pub(crate) fn with(postgres: &Postgres, change: impl FnOnce(&mut Replicas)) -> Cluster {
    let mut replicas = Replicas::default();
    change(&mut replicas);
    let settings = Settings::new(budget(4)).replicas(replicas);
    Cluster::start(servers(postgres), settings)
}

/// How many there are, and the port of the server that says so.
pub(crate) async fn read(cluster: &Cluster, scope: Option<&Scope>) -> Result<(i64, u16), Error> {
    let one = schema(1);
    let mut read = cluster.read(&one);
    if let Some(scope) = scope {
        read = read.within(scope);
    }
    let rows = read.query("count", COUNT, &[]).await?;
    let port = u16::try_from(rows[0].get::<_, i32>(1)).unwrap();
    Ok((rows[0].get(0), port))
}

pub(crate) async fn write(cluster: &Cluster, scope: &Scope) -> Result<u64, Error> {
    let one = schema(1);
    let write = cluster.write(&one).within(scope);
    write.execute("add", ADD, &[]).await
}

pub(crate) fn scope() -> Scope {
    Scope::new(Duration::from_secs(60))
}

pub(crate) async fn replay(standby: &Server, goes_on: bool) {
    let which = if goes_on { "resume" } else { "pause" };
    let sql = format!("SELECT pg_wal_replay_{which}()");
    standby.sql(&sql).await.unwrap();
    let paused = "SELECT (pg_get_wal_replay_pause_state() = 'paused')::int";
    until(SOON, async || {
        (number(standby, paused).await == 0) == goes_on
    })
    .await;
}

#[tokio::test]
async fn a_primary_that_writes_nothing_makes_no_lag_and_a_paused_replica_does() {
    let postgres = started(1).await;
    let cluster = with(&postgres, |replicas| replicas.max_lag = MOMENT);
    known(&cluster).await;
    let standby = &postgres.standbys()[0];
    let lag = || cluster.servers()[1].lag;
    until(SOON, async || lag() == Some(Duration::ZERO)).await;
    let start = Instant::now();
    while start.elapsed() < 3 * MOMENT {
        assert_eq!(lag(), Some(Duration::ZERO));
        assert_eq!(read(&cluster, None).await.unwrap().1, standby.port());
        sleep(Duration::from_millis(20)).await;
    }
    replay(standby, false).await;
    write(&cluster, &scope()).await.unwrap();
    let late = until(SOON, async || read(&cluster, None).await.unwrap().0 == 2).await;
    // Its lag is known to the time between two looks, of 200 ms each.
    assert!(late > MOMENT / 12 && late < 3 * MOMENT, "{late:?}");
    until(SOON, async || lag() > Some(2 * MOMENT)).await;
    let primary = postgres.primary().port();
    assert_eq!(read(&cluster, None).await.unwrap(), (2, primary));
    replay(standby, true).await;
    until(SOON, async || {
        read(&cluster, None).await.unwrap() == (2, standby.port())
    })
    .await;
    assert_eq!(lag(), Some(Duration::ZERO));
}

#[tokio::test]
async fn of_two_replicas_the_one_that_has_it_is_read() {
    let postgres = started(2).await;
    let cluster = with(&postgres, |replicas| replicas.max_lag = 100 * MOMENT);
    known(&cluster).await;
    let [late, fresh] = postgres.standbys() else {
        panic!("two standbys")
    };
    replay(late, false).await;
    let (mut stale, mut from_fresh) = (0, 0);
    for written in 2..=60 {
        let scope = scope();
        write(&cluster, &scope).await.unwrap();
        let (count, port) = read(&cluster, Some(&scope)).await.unwrap();
        assert_eq!(count, written, "stale, from {port}");
        assert_ne!(port, late.port());
        from_fresh += usize::from(port == fresh.port());
        stale += usize::from(read(&cluster, None).await.unwrap().0 < written);
    }
    assert!(stale > 0, "the test would not notice");
    assert!(
        from_fresh > 30,
        "{from_fresh} of 59 from the replica that has it"
    );
}

#[tokio::test]
async fn a_read_in_conflict_with_what_a_replica_replays_is_done_elsewhere() {
    let postgres = Postgres::builder()
        .setting("max_standby_streaming_delay", "0")
        .setting("autovacuum", "off")
        .standbys(1)
        .start()
        .await
        .unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 4);
    known(&cluster).await;
    let one = schema(1);
    let slow = "SELECT count(*), inet_server_port(), pg_sleep(0.4) FROM items";
    let conflict = async || {
        sleep(Duration::from_millis(100)).await;
        for sql in [
            "UPDATE t000000000001.items SET owner = owner",
            "VACUUM t000000000001.items",
        ] {
            postgres.primary().sql(sql).await.unwrap();
        }
    };
    for n in 1..=2 {
        postgres.caught_up().await.unwrap();
        let (rows, ()) = tokio::join!(cluster.read(&one).query("slow", slow, &[]), conflict());
        let port: i32 = rows.unwrap()[0].get(1);
        assert_eq!(port, i32::from(postgres.primary().port()));
        assert_eq!(attempts(&cluster, "slow"), 2 * n, "it was in conflict once");
        postgres.caught_up().await.unwrap();
        let work = cluster.read(&one).transaction("both", async |tx| {
            tx.query(COUNT, &[]).await?;
            tx.query(slow, &[]).await
        });
        let (rows, ()) = tokio::join!(work, conflict());
        let port: i32 = rows.unwrap()[0].get(1);
        assert_eq!(port, i32::from(postgres.primary().port()));
        assert_eq!(attempts(&cluster, "both"), 2 * n);
    }
}

#[tokio::test]
async fn writes_find_the_primary_wherever_it_stands_and_are_refused_without_one() {
    let postgres = started(1).await;
    let (primary, standby) = (postgres.primary(), &postgres.standbys()[0]);
    for _ in 0..5 {
        let swapped = Servers::new(&standby.url()).unwrap();
        let swapped = swapped.replica(&primary.url()).unwrap();
        let cluster = Cluster::start(swapped, Settings::new(budget(2)));
        // At once: nobody knows yet who is who.
        write(&cluster, &scope()).await.unwrap();
        assert_eq!(cluster.servers()[1].is_primary, Some(true));
    }
    let alone = Servers::new(&standby.url()).unwrap();
    let alone = Cluster::start(alone, Settings::new(budget(2)));
    for _ in 0..2 {
        let start = Stopwatch::start();
        let error = write(&alone, &scope()).await.unwrap_err();
        let reason = error.rejected().map(towerblock_core::Rejected::reason);
        assert_eq!(reason, Some(Reason::Unavailable), "{error}");
        assert!(error.to_string().contains("25006"), "{error}");
        assert!(start.elapsed() < 2 * MOMENT);
    }
    assert!(read(&alone, None).await.is_ok());
}

#[tokio::test]
async fn of_two_that_take_writes_the_one_that_was_promoted_last_gets_them() {
    let postgres = started(1).await;
    let cluster = cluster(&postgres, 4);
    known(&cluster).await;
    write(&cluster, &scope()).await.unwrap();
    postgres.caught_up().await.unwrap();
    postgres.standbys()[0].promote().await.unwrap();
    until(SOON, async || cluster.servers()[1].is_primary == Some(true)).await;
    // The old one is alive, and takes writes as well; it was left behind.
    sleep(MOMENT).await;
    let count = "SELECT count(*) FROM t000000000001.items";
    let left = number(postgres.primary(), count).await;
    for written in 1..=20 {
        let scope = scope();
        write(&cluster, &scope).await.unwrap();
        let (seen, port) = read(&cluster, Some(&scope)).await.unwrap();
        assert_eq!(
            (seen, port),
            (left + written, postgres.standbys()[0].port())
        );
    }
    assert_eq!(number(postgres.primary(), count).await, left);
}
