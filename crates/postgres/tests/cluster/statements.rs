//! Prepared statements outlive the tables that they were prepared for.

use std::time::Duration;

use tokio_postgres::types::{FromSql, Type};
use towerblock_postgres::{Binding, Cluster, Error, Keeps, Settings};
use towerblock_testkit::{Postgres, Server};

use crate::stopwatch::Stopwatch;
use crate::{attempts, budget, cluster, schema, servers, set_up};

const ALL: &str = "SELECT * FROM items";

/// Text as the server sends that of an enum.
struct Label(String);

impl<'a> FromSql<'a> for Label {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(std::str::from_utf8(raw)?.to_owned()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

async fn columns(cluster: &Cluster, binding: &Binding) -> Vec<String> {
    let rows = cluster.read(binding).query("all", ALL, &[]).await.unwrap();
    let columns = rows[0].columns().iter();
    columns.map(|column| column.type_().to_string()).collect()
}

async fn alter(server: &Server, change: &str) {
    let sql = format!("ALTER TABLE t000000000001.items {change}");
    server.sql(&sql).await.unwrap();
}

#[tokio::test]
async fn tables_that_change_between_uses_are_read_as_they_are() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 1);
    let one = schema(1);
    for (change, expected) in [
        ("ALTER id TYPE int", &["int4", "int8"][..]),
        ("ADD note text", &["int4", "int8", "text"]),
        ("ALTER owner TYPE int", &["int4", "int4", "text"]),
        ("DROP note", &["int4", "int4"]),
    ] {
        alter(postgres.primary(), change).await;
        assert_eq!(columns(&cluster, &one).await, expected, "{change}");
    }
    // The caller's one call is one attempt: it is done again on the same connection.
    assert_eq!(attempts(&cluster, "all"), 4);
}

/// More statements than there are attempts, and all of them are of the time before.
#[tokio::test]
async fn a_transaction_of_many_statements_does_not_see_that_their_table_changed() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let cluster = cluster(&postgres, 2);
    let one = schema(1);
    let many = async || {
        let work = cluster.write(&one).transaction("many", async |tx| {
            for n in 0..6 {
                let rows = tx.query(&format!("{ALL} WHERE id > -{n}"), &[]).await?;
                assert_eq!(rows.len(), 1);
            }
            Ok::<_, Error>(())
        });
        work.await
    };
    many().await.unwrap();
    alter(postgres.primary(), "ADD note text").await;
    many().await.unwrap();
    let before = attempts(&cluster, "many");
    alter(postgres.primary(), "ALTER owner TYPE int").await;
    let start = Stopwatch::start();
    many().await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(200));
    assert!(attempts(&cluster, "many") - before <= 2);
}

/// Somebody's `DEALLOCATE ALL` takes those of tokio-postgres along, with which it asks for
/// types that it does not know.
#[tokio::test]
async fn statements_that_somebody_deallocated_are_prepared_again() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let sql = "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE hue AS ENUM ('red')";
    postgres.primary().sql(sql).await.unwrap();
    let cluster = cluster(&postgres, 1);
    let (one, all) = (schema(1), Binding::shared());
    let text = async |sql| {
        let rows = cluster.read(&all).query("text", sql, &[]).await.unwrap();
        rows[0].get::<_, Label>(0).0
    };
    assert_eq!(text("SELECT 'sad'::mood").await, "sad");
    for _ in 0..3 {
        columns(&cluster, &one).await;
        let write = cluster.write(&all);
        let gone = write.execute("gone", "DEALLOCATE ALL", &[]).await;
        assert_eq!(gone.unwrap(), 0);
        assert_eq!(columns(&cluster, &one).await, ["int4", "int8"]);
        assert_eq!(text("SELECT 'glad'::mood").await, "glad");
        let ended: Result<(), Error> = write
            .transaction("raw", async |tx| {
                let _ = tx.raw().batch_execute("DEALLOCATE ALL").await;
                Ok(())
            })
            .await;
        ended.unwrap();
        // Of a type that was not asked for before.
        assert_eq!(text("SELECT 'red'::hue").await, "red");
        let inside: Result<usize, Error> = write
            .transaction("inside", async |tx| {
                Ok(tx.query("SELECT 'red'::hue", &[]).await?.len())
            })
            .await;
        assert_eq!(inside.unwrap(), 1);
    }
}

#[tokio::test]
async fn two_thousand_statements_stay_within_what_a_connection_keeps() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let mut keeps = Keeps::default();
    keeps.statements = 50;
    let settings = Settings::new(budget(1)).keeps(keeps);
    let cluster = Cluster::start(servers(&postgres), settings);
    let one = schema(1);
    let count = "SELECT count(*) FROM pg_prepared_statements";
    for n in 0..2_000 {
        let sql = format!("SELECT {n} FROM items");
        let rows = cluster.read(&one).query("many", &sql, &[]).await.unwrap();
        assert_eq!(rows[0].get::<_, i32>(0), n);
        if n % 100 == 99 {
            let rows = cluster.read(&one).query("kept", count, &[]).await.unwrap();
            let kept = rows[0].get::<_, i64>(0);
            assert!((45..=51).contains(&kept), "{kept} after {n}");
        }
    }
}

/// The same names in two schemas, and nothing else is the same.
#[tokio::test]
async fn one_statement_reads_what_each_schema_has_of_that_name() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 3).await;
    let sql = "CREATE TYPE t000000000001.state AS ENUM ('open', 'closed');
        CREATE TYPE t000000000002.state AS ENUM ('closed', 'open', 'lost');
        ALTER TABLE t000000000001.items ADD state t000000000001.state DEFAULT 'open';
        ALTER TABLE t000000000002.items ADD state t000000000002.state DEFAULT 'lost';
        ALTER TABLE t000000000003.items DROP owner, ADD state text DEFAULT 'drifted'";
    postgres.primary().sql(sql).await.unwrap();
    let cluster = cluster(&postgres, 1);
    for _ in 0..3 {
        for (key, state, width) in [(1, "open", 3), (2, "lost", 3), (3, "drifted", 2)] {
            let binding = schema(key);
            let read = cluster.read(&binding);
            let rows = read.query("all", ALL, &[]).await.unwrap();
            assert_eq!(rows[0].len(), width);
            assert_eq!(rows[0].get::<_, Label>("state").0, state);
            let inside = read.transaction("all", async |tx| tx.query(ALL, &[]).await);
            assert_eq!(inside.await.unwrap()[0].get::<_, Label>("state").0, state);
            let cast = "SELECT state::text FROM items WHERE state = 'open'";
            let rows = read.query("cast", cast, &[]).await.unwrap();
            assert_eq!(rows.len(), usize::from(key == 1));
        }
    }
}
