//! A tenant sees its rows and no others, and nothing of it stays behind.

use towerblock_postgres::{Binding, Error};
use towerblock_testkit::Postgres;

use crate::{cluster, row_level, schema, set_up};

const OWNERS: &str = "SELECT owner FROM items ORDER BY id";

async fn owners(cluster: &towerblock_postgres::Cluster, binding: &Binding) -> Vec<i64> {
    let rows = cluster
        .read(binding)
        .query("owners", OWNERS, &[])
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn each_tenant_sees_its_own_rows_by_schema_and_by_row() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 3).await;
    let cluster = cluster(&postgres, 1);
    for _ in 0..3 {
        for key in 1..=3 {
            assert_eq!(
                owners(&cluster, &schema(key)).await,
                [i64::try_from(key).unwrap()]
            );
            assert_eq!(
                owners(&cluster, &row_level(key)).await,
                [i64::try_from(key).unwrap()]
            );
        }
    }
    let binding = row_level(2);
    let write = cluster.write(&binding);
    let sql = "INSERT INTO items (tenant_id, owner) VALUES ($1, $2)";
    assert_eq!(
        write.execute("add", sql, &[&2_i64, &2_i64]).await.unwrap(),
        1
    );
    assert_eq!(owners(&cluster, &row_level(2)).await, [2, 2]);
    let foreign = write
        .execute("add", sql, &[&3_i64, &2_i64])
        .await
        .unwrap_err();
    assert_eq!(foreign.code().unwrap().code(), "42501", "{foreign}");
    let unknown = cluster.read(&schema(9)).query("owners", OWNERS, &[]).await;
    assert_eq!(unknown.unwrap_err().code().unwrap().code(), "42P01");
}

#[tokio::test]
async fn a_read_cannot_write_and_a_failed_transaction_leaves_nothing() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 1);
    let one = schema(1);
    let sql = "INSERT INTO items (owner) VALUES (1)";
    let refused = cluster.read(&one).query("add", sql, &[]).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "25006", "{refused}");

    let write = cluster.write(&one);
    let outcome: Result<(), Error> = write
        .transaction("both", async |tx| {
            tx.execute(sql, &[]).await?;
            tx.execute("INSERT INTO items (owner) VALUES (NULL)", &[])
                .await?;
            Ok(())
        })
        .await;
    assert_eq!(outcome.unwrap_err().code().unwrap().code(), "23502");
    // Whoever ignores an error is told that nothing was committed.
    let outcome: Result<(), Error> = write
        .transaction("ignored", async |tx| {
            tx.execute(sql, &[]).await?;
            let _ = tx.execute("SELECT nonsense", &[]).await;
            Ok(())
        })
        .await;
    assert!(outcome.unwrap_err().to_string().contains("ignored"));
    let raw: Result<(), Error> = write
        .transaction("raw", async |tx| {
            tx.execute(sql, &[]).await?;
            let _ = tx.raw().batch_execute("nonsense").await;
            Ok(())
        })
        .await;
    assert_eq!(raw.unwrap_err().code().unwrap().code(), "25P02");
    assert_eq!(owners(&cluster, &one).await, [1]);

    let done: Result<i64, Error> = write
        .transaction("done", async |tx| {
            tx.execute(sql, &[]).await?;
            let rows = tx.query("SELECT count(*) FROM items", &[]).await?;
            Ok(rows[0].get(0))
        })
        .await;
    assert_eq!(done.unwrap(), 2);
}

/// Each leaves what it can on the only connection there is; the next tenant finds nothing.
#[tokio::test]
async fn nothing_of_a_tenant_stays_on_a_connection() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 2).await;
    let cluster = cluster(&postgres, 1);
    let (one, two) = (schema(1), row_level(2));
    for left in [
        "SET app.evil = 'x'",
        "SELECT set_config('app.evil', 'x', false)",
        "SET search_path = public",
        "CREATE TEMP TABLE evil (id int)",
        "SELECT pg_advisory_lock(42)",
        "LISTEN evil",
        "DECLARE evil CURSOR WITH HOLD FOR SELECT 1",
        "DO $$ BEGIN PERFORM set_config('app.evil', 'x', false); END $$",
    ] {
        for is_raw in [false, true] {
            let write = cluster.write(&one);
            if is_raw {
                let work = write.transaction("leave", async |tx| {
                    tx.raw().batch_execute(left).await.unwrap();
                    Ok::<(), Error>(())
                });
                work.await.unwrap();
            } else {
                write.execute("leave", left, &[]).await.unwrap();
            }
            let found = "SELECT coalesce(current_setting('app.evil', true), '') = ''
                and to_regclass('pg_temp.evil') IS NULL
                and (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) = 0
                and (SELECT count(*) FROM pg_listening_channels()) = 0
                and (SELECT count(*) FROM pg_cursors WHERE name = 'evil') = 0
                and current_setting('search_path') LIKE '%user%'";
            let clean = cluster.read(&two).query("clean", found, &[]).await.unwrap();
            assert!(clean[0].get::<_, bool>(0), "after {left}, {is_raw}");
        }
    }
}

#[tokio::test]
async fn a_dedicated_connection_hears_and_is_closed_afterwards() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 1);
    let one = schema(1);
    let mut dedicated = cluster.dedicated("listen", &one).await.unwrap();
    let rows = dedicated.query(OWNERS, &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 1);
    dedicated
        .batch_execute("LISTEN news; SELECT pg_advisory_lock(7)")
        .await
        .unwrap();
    let waits = cluster.read(&one).query("busy", "SELECT 1", &[]).await;
    assert!(
        waits.unwrap_err().rejected().is_some(),
        "it counts as a connection"
    );
    postgres
        .primary()
        .sql("NOTIFY news, 'hello'")
        .await
        .unwrap();
    assert_eq!(dedicated.notification().await.unwrap().payload(), "hello");
    drop(dedicated);
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype LIKE 'advis%'";
    let locks = cluster.read(&one).query("locks", locks, &[]).await.unwrap();
    assert_eq!(locks[0].get::<_, i64>(0), 0);
    let status = cluster.servers()[0];
    assert_eq!(
        (status.used, status.open, status.is_primary),
        (0, 1, Some(true))
    );
    assert_eq!(
        (status.is_away, status.waiting, status.cleaning),
        (false, 0, 0)
    );
}
