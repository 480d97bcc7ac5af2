//! Commits whose answer is lost: whoever asks is not told that nothing was done.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use towerblock_core::{Reason, Rejected};
use towerblock_postgres::{Cluster, Error, Servers, Settings};
use towerblock_testkit::{Direction, Postgres, Proxy};

use crate::stopwatch::Stopwatch;
use crate::{budget, number, schema, set_up, through, until};

const ADD: &str = "INSERT INTO items (owner) VALUES (7)";
const ADDED: &str = "SELECT count(*) FROM t000000000001.items WHERE owner = 7";
const SOON: Duration = Duration::from_secs(2);
const MOMENT: Duration = Duration::from_millis(300);

struct Setting {
    postgres: Postgres,
    proxy: Proxy,
    cluster: Cluster,
}

async fn setting() -> Setting {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let proxy = Proxy::start(postgres.primary().addr()).await.unwrap();
    let url = through(postgres.primary(), proxy.addr());
    let cluster = Cluster::start(Servers::new(&url).unwrap(), Settings::new(budget(2)));
    let one = schema(1);
    let warm = cluster.write(&one).execute("add", ADD, &[]).await;
    assert_eq!(warm.unwrap(), 1);
    Setting {
        postgres,
        proxy,
        cluster,
    }
}

impl Setting {
    async fn added(&self) -> i64 {
        number(self.postgres.primary(), ADDED).await
    }

    /// Once it is done there, nobody hears of it, and then the line is cut.
    async fn cut_when(&self, added: i64) {
        until(SOON, async || self.added().await == added).await;
        self.proxy.cut().await;
        self.proxy.heal().await;
    }

    async fn is_back(&self) {
        let one = schema(1);
        until(SOON, async || {
            let read = self.cluster.read(&one);
            read.query("back", "SELECT 1", &[]).await.is_ok()
        })
        .await;
    }
}

#[tokio::test]
async fn a_commit_that_was_done_and_not_answered_is_unknown() {
    let at = setting().await;
    let one = schema(1);
    let runs = Cell::new(0);
    let work = at.cluster.write(&one).transaction("add", async |tx| {
        runs.set(runs.get() + 1);
        tx.execute(ADD, &[]).await?;
        at.proxy.drop_bytes(Direction::ToClient);
        Ok::<_, Error>(())
    });
    let (outcome, ()) = tokio::join!(work, at.cut_when(2));
    let error = outcome.unwrap_err();
    assert!(error.is_commit_unknown(), "{error}");
    assert!(
        error.rejected().is_none(),
        "a client that tries again adds twice"
    );
    assert_eq!((runs.get(), at.added().await), (1, 2));

    at.is_back().await;
    let write = at.cluster.write(&one);
    let statement = async {
        write.execute("warm", ADD, &[]).await.unwrap();
        at.proxy.drop_bytes(Direction::ToClient);
        write.execute("warm", ADD, &[]).await
    };
    let (outcome, ()) = tokio::join!(statement, at.cut_when(4));
    let error = outcome.unwrap_err();
    assert!(error.is_commit_unknown(), "{error}");
    assert_eq!(at.added().await, 4);
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_unknown_as_well() {
    let at = setting().await;
    let one = schema(1);
    let runs = Cell::new(0);
    let work = at.cluster.write(&one).transaction("add", async |tx| {
        runs.set(runs.get() + 1);
        tx.execute(ADD, &[]).await?;
        at.proxy.drop_bytes(Direction::ToServer);
        Ok::<_, Error>(())
    });
    let cut = async {
        sleep(MOMENT / 3).await;
        at.proxy.cut().await;
        at.proxy.heal().await;
    };
    let (outcome, ()) = tokio::join!(work, cut);
    assert!(outcome.unwrap_err().is_commit_unknown());
    assert_eq!((runs.get(), at.added().await), (1, 1));
}

#[tokio::test]
async fn what_may_be_done_twice_is_done_again() {
    let at = setting().await;
    let one = schema(1);
    let runs = Cell::new(0);
    let pid = Cell::new(0_i32);
    let write = at.cluster.write(&one).idempotent();
    let work = write.transaction("add", async |tx| {
        runs.set(runs.get() + 1);
        let rows = tx.query("SELECT pg_backend_pid()", &[]).await?;
        tx.execute(ADD, &[]).await?;
        if runs.get() == 1 {
            pid.set(rows[0].get(0));
            at.proxy.drop_bytes(Direction::ToClient);
        }
        Ok::<_, Error>(())
    });
    let ended = async {
        until(SOON, async || at.added().await == 2).await;
        at.proxy.heal().await;
        let end = format!("SELECT pg_terminate_backend({})", pid.get());
        at.postgres.primary().sql(&end).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(work, ended);
    outcome.unwrap();
    assert_eq!((runs.get(), at.added().await), (2, 3));
}

/// The first attempt may have done it, whatever became of the others.
#[tokio::test]
async fn what_was_tried_again_in_vain_is_unknown_and_may_be_again() {
    let at = setting().await;
    let one = schema(1);
    let write = at.cluster.write(&one).idempotent();
    let work = write.transaction("add", async |tx| {
        tx.execute(ADD, &[]).await?;
        at.proxy.drop_bytes(Direction::ToClient);
        Ok::<_, Error>(())
    });
    let cut = async {
        until(SOON, async || at.added().await == 2).await;
        at.proxy.refuse().await;
        at.proxy.cut().await;
    };
    let (outcome, ()) = tokio::join!(work, cut);
    let error = outcome.unwrap_err();
    assert!(error.is_commit_unknown(), "{error}");
    let reason = error.rejected().map(Rejected::reason);
    assert_eq!(reason, Some(Reason::Unavailable), "a client may try again");
}

/// The line is not cut; nothing comes, and the time is over.
#[tokio::test]
async fn a_commit_that_nobody_answers_in_time_is_unknown() {
    let at = setting().await;
    let one = schema(1);
    let write = |start| at.cluster.write(&one).before(start + MOMENT);
    let in_time = |watch: Stopwatch| {
        let took = watch.elapsed();
        assert!(took < MOMENT + Duration::from_millis(100), "{took:?}");
    };
    let watch = Stopwatch::start();
    let work = write(Instant::now()).transaction("add", async |tx| {
        tx.execute(ADD, &[]).await?;
        at.proxy.drop_bytes(Direction::ToClient);
        Ok::<_, Error>(())
    });
    let error = work.await.unwrap_err();
    in_time(watch);
    assert!(error.is_commit_unknown(), "{error}");
    assert!(
        error.rejected().is_none(),
        "a client that tries again adds twice"
    );
    at.cut_when(2).await;
    at.is_back().await;

    let warm = at.cluster.write(&one).execute("add", ADD, &[]).await;
    assert_eq!(warm.unwrap(), 1);
    at.proxy.drop_bytes(Direction::ToClient);
    let watch = Stopwatch::start();
    let error = write(Instant::now())
        .execute("add", ADD, &[])
        .await
        .unwrap_err();
    in_time(watch);
    assert!(error.is_commit_unknown(), "{error}");
    at.cut_when(4).await;
    at.is_back().await;

    // What was never sent whole was not done.
    let work = write(Instant::now()).transaction("add", async |tx| {
        at.proxy.drop_bytes(Direction::ToServer);
        tx.execute(ADD, &[]).await?;
        Ok::<_, Error>(())
    });
    let error = work.await.unwrap_err();
    assert!(!error.is_commit_unknown(), "{error}");
    assert!(error.rejected().is_some(), "{error}");
}
