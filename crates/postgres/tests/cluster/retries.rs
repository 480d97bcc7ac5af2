//! What is done again, and what is not.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use tokio::sync::Barrier;
use towerblock_postgres::{Cluster, Error};
use towerblock_testkit::Postgres;

use crate::stopwatch::Stopwatch;
use crate::{attempts, cluster, number, schema, set_up};

const PID: &str = "SELECT pg_backend_pid()";

#[derive(Debug)]
enum Own {
    Soldout,
    Database(Error),
    Lost,
}

impl From<Error> for Own {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

async fn started() -> (Postgres, Cluster) {
    let postgres = Postgres::builder()
        .setting("deadlock_timeout", "50ms")
        .start()
        .await
        .unwrap();
    set_up(&postgres, 2).await;
    let sql = "INSERT INTO t000000000001.items (id, owner) VALUES (100, 0), (200, 0)";
    postgres.primary().sql(sql).await.unwrap();
    let cluster = cluster(&postgres, 4);
    (postgres, cluster)
}

/// Adds to both rows, the first in this order; the two meet in between the first time.
async fn both(cluster: &Cluster, ids: [i32; 2], level: &str, meet: &Barrier) -> Result<(), Error> {
    let one = schema(1);
    let runs = Cell::new(0);
    let add = "UPDATE items SET owner = owner + 1 WHERE id = $1";
    let work = cluster.write(&one).transaction("both", async |tx| {
        runs.set(runs.get() + 1);
        if !level.is_empty() {
            let level = format!("SET TRANSACTION ISOLATION LEVEL {level}");
            tx.execute(&level, &[]).await?;
            tx.query("SELECT sum(owner) FROM items", &[]).await?;
        }
        if runs.get() == 1 {
            meet.wait().await;
        }
        tx.execute(add, &[&ids[0]]).await?;
        if runs.get() == 1 && level.is_empty() {
            meet.wait().await;
        }
        tx.execute(add, &[&ids[1]]).await?;
        Ok(())
    });
    work.await
}

#[tokio::test]
async fn transactions_in_conflict_are_done_one_after_the_other() {
    let (postgres, cluster) = started().await;
    for (level, orders) in [
        // They lock in opposite order.
        ("", [[100, 200], [200, 100]]),
        // The second to write what the first has written, since its snapshot.
        ("REPEATABLE READ", [[100, 200], [100, 200]]),
        ("SERIALIZABLE", [[100, 200], [100, 200]]),
    ] {
        let (meet, before) = (Barrier::new(2), attempts(&cluster, "both"));
        let sum = "SELECT sum(owner) FROM t000000000001.items WHERE id >= 100";
        let sum = async || number(postgres.primary(), sum).await;
        let was = sum().await;
        let (a, b) = tokio::join!(
            both(&cluster, orders[0], level, &meet),
            both(&cluster, orders[1], level, &meet),
        );
        a.unwrap();
        b.unwrap();
        assert_eq!(sum().await, was + 4, "{level}");
        let attempts = attempts(&cluster, "both") - before;
        assert_eq!(attempts, 3, "two, and the one that lost again: {level}");
    }
}

/// Neither writes what the other does, and still only one of them may be first: which of the
/// two it is shows at its commit.
#[tokio::test]
async fn a_conflict_that_shows_at_the_commit_is_done_again() {
    let (postgres, cluster) = started().await;
    let meet = Barrier::new(2);
    let skewed = async |mine: i32| {
        let one = schema(1);
        let runs = Cell::new(0);
        let work = cluster.write(&one).transaction("skew", async |tx| {
            runs.set(runs.get() + 1);
            let level = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE";
            tx.execute(level, &[]).await?;
            let sum = "SELECT sum(owner)::bigint FROM items WHERE id >= 100";
            let sum: i64 = tx.query(sum, &[]).await?[0].get(0);
            let set = "UPDATE items SET owner = $2 WHERE id = $1";
            tx.execute(set, &[&mine, &(sum + 1)]).await?;
            if runs.get() == 1 {
                meet.wait().await;
            }
            Ok::<_, Error>(())
        });
        work.await
    };
    let (a, b) = tokio::join!(skewed(100), skewed(200));
    a.unwrap();
    b.unwrap();
    // One saw what the other left: 1 and 2, whichever came first.
    let sum = "SELECT sum(owner) FROM t000000000001.items WHERE id >= 100";
    assert_eq!(number(postgres.primary(), sum).await, 3);
    assert_eq!(attempts(&cluster, "skew"), 3);
}

#[tokio::test]
async fn an_error_of_the_callers_own_is_returned_as_it_is() {
    let (postgres, cluster) = started().await;
    let one = schema(1);
    let runs = Cell::new(0);
    let add = "INSERT INTO items (owner) VALUES (9)";
    let outcome = cluster.write(&one).transaction("own", async |tx| {
        runs.set(runs.get() + 1);
        tx.execute(add, &[]).await?;
        Err::<(), _>(Own::Soldout)
    });
    assert!(matches!(outcome.await, Err(Own::Soldout)));
    // Also where the transaction was undone by other means.
    let outcome = cluster.write(&one).transaction("own", async |tx| {
        runs.set(runs.get() + 1);
        let pid: i32 = tx.query(PID, &[]).await?[0].get(0);
        tx.execute(add, &[]).await?;
        let end = format!("SELECT pg_terminate_backend({pid}, 5000)");
        postgres.primary().sql(&end).await.unwrap();
        Err::<(), _>(Own::Soldout)
    });
    assert!(matches!(outcome.await, Err(Own::Soldout)));
    assert_eq!(runs.get(), 2, "each once");
    let count = "SELECT count(*) FROM t000000000001.items WHERE owner = 9";
    assert_eq!(number(postgres.primary(), count).await, 0);
    // A mistake in a statement is not made three times.
    let outcome = cluster.write(&one).transaction("wrong", async |tx| {
        runs.set(runs.get() + 1);
        tx.execute("SELECT nothing", &[]).await.map_err(Own::from)
    });
    let Err(Own::Database(error)) = outcome.await else {
        panic!("it is a mistake")
    };
    assert_eq!(error.code().unwrap().code(), "42703");
    let expected = r#"wrong: column "nothing" does not exist (42703)"#;
    assert_eq!(error.to_string(), expected);
    assert_eq!(runs.get(), 3);
}

/// The connection is lost under it, and it is told of that.
#[tokio::test]
async fn what_failed_by_the_raw_transaction_is_done_again() {
    let (postgres, cluster) = started().await;
    let one = schema(1);
    let runs = Cell::new(0);
    let add = "INSERT INTO items (owner) VALUES (9)";
    let outcome = cluster.write(&one).transaction("raw", async |tx| {
        runs.set(runs.get() + 1);
        if runs.get() == 1 {
            let pid: i32 = tx.query(PID, &[]).await?[0].get(0);
            let end = format!("SELECT pg_terminate_backend({pid}, 5000)");
            postgres.primary().sql(&end).await.unwrap();
        }
        let added = tx.raw().batch_execute(add).await;
        added.map_err(|error| {
            tx.mark_failed(&error);
            Own::Lost
        })
    });
    outcome.await.unwrap();
    assert_eq!(runs.get(), 2);
    let count = "SELECT count(*) FROM t000000000001.items WHERE owner = 9";
    assert_eq!(number(postgres.primary(), count).await, 1);
}

#[tokio::test]
async fn a_constraint_that_is_deferred_fails_as_any_other() {
    let (postgres, cluster) = started().await;
    let sql =
        "ALTER TABLE t000000000001.items ADD UNIQUE (owner, id) DEFERRABLE INITIALLY DEFERRED";
    postgres.primary().sql(sql).await.unwrap();
    let one = schema(1);
    let add = "INSERT INTO items (id, owner) VALUES (100, 0)";
    let write = cluster.write(&one);
    for _ in 0..2 {
        let alone = write.execute("twice", add, &[]).await.unwrap_err();
        let within = write.transaction("twice", async |tx| tx.execute(add, &[]).await);
        for error in [alone, within.await.unwrap_err()] {
            assert_eq!(error.code().unwrap().code(), "23505", "{error}");
            assert!(!error.is_commit_unknown() && error.rejected().is_none());
        }
    }
    assert_eq!(attempts(&cluster, "twice"), 4);
}

/// In all, and with pauses that end before the deadline.
#[tokio::test]
async fn what_fails_each_time_is_tried_three_times() {
    let (_postgres, cluster) = started().await;
    let one = schema(1);
    let start = Stopwatch::start();
    let fails = "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$";
    let error = cluster.write(&one).execute("fails", fails, &[]).await;
    let error = error.unwrap_err();
    let reason = error.rejected().map(towerblock_core::Rejected::reason);
    assert_eq!(reason, Some(towerblock_core::Reason::Overloaded), "{error}");
    assert!(error.to_string().contains("40001"), "{error}");
    assert!(start.elapsed() < Duration::from_millis(250));
    assert_eq!(attempts(&cluster, "fails"), 3);
}
