//! A connection that PgBouncer lends is left as it was, also by what cannot be refused.

use std::error::Error as StdError;
use std::future::pending;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use towerblock_postgres::{Cluster, Error, SchemaName};
use towerblock_testkit::{PoolMode, Postgres};

use crate::pooler::{connect, pooler, through};
use crate::{PATIENCE, row_level, schema, set_up, until};

/// A value of whatever type, as text.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Label(String);

impl<'a> FromSql<'a> for Label {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(std::str::from_utf8(raw)?.to_owned()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Label {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Each schema has types of its own, by the same names.
async fn set_up_types(postgres: &Postgres, tenants: u64) {
    set_up(postgres, tenants).await;
    for key in 1..=tenants {
        let schema = SchemaName::from_key(key);
        let sql = format!(
            "CREATE TYPE {schema}.mood AS ENUM ('sad', 'glad {key}');
             CREATE DOMAIN {schema}.word AS text CHECK (value <> '');
             CREATE TYPE {schema}.pair AS (mood {schema}.mood, word {schema}.word);
             CREATE TABLE {schema}.typed (mood {schema}.mood, word {schema}.word,
                 moods {schema}.mood[], pair {schema}.pair);"
        );
        postgres.primary().sql(&sql).await.unwrap();
    }
}

async fn typed(cluster: &Cluster, key: u64) {
    let (binding, mood) = (schema(key), Label(format!("glad {key}")));
    let (read, write) = (cluster.read(&binding), cluster.write(&binding));
    let add = "INSERT INTO typed VALUES ($1::mood, $2::word, ARRAY[$1], ROW($1, $2)::pair)";
    let word = Label("word".into());
    let added = write.execute("add", add, &[&mood, &word]).await;
    assert_eq!(added.unwrap(), 1);
    let work = write.transaction("both", async |tx| {
        let sql = "UPDATE typed SET mood = $1 WHERE mood = $1";
        tx.execute(sql, &[&mood]).await?;
        let sql = "SELECT pair FROM typed WHERE mood = $1";
        Ok::<usize, Error>(tx.query(sql, &[&mood]).await?.len())
    });
    assert!(work.await.unwrap() > 0);
    let all = "SELECT mood, word, moods, pair FROM typed";
    let rows = read.query("all", all, &[]).await.unwrap();
    let types = rows[0].columns().iter().map(|column| column.type_().name());
    let types: Vec<_> = types.collect();
    assert_eq!(types, ["mood", "text", "_mood", "pair"]);
    assert!(rows.iter().all(|row| row.get::<_, Label>(0) == mood));
}

#[tokio::test]
async fn types_that_are_not_built_in_are_looked_up_on_whichever_connection_is_lent() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up_types(&postgres, 3).await;
    let pooler = pooler(&postgres, PoolMode::Transaction, "3").await;
    let cluster = through(&pooler, 6);
    for _ in 0..8 {
        join_all((0..6).map(|n| typed(&cluster, n % 3 + 1))).await;
    }
    // Names that stay would be in the way of others that count from the same number.
    let left = "SELECT name, statement FROM pg_prepared_statements";
    let others = join_all((0..3).map(|_| connect(&pooler))).await;
    for _ in 0..10 {
        for rows in join_all(others.iter().map(|other| other.simple_query(left))).await {
            let rows = rows.unwrap();
            let is_row = |of: &&_| matches!(of, tokio_postgres::SimpleQueryMessage::Row(_));
            let rows: Vec<_> = rows.iter().filter(is_row).collect();
            assert!(rows.is_empty(), "{rows:?}");
        }
    }
}

#[tokio::test]
async fn what_a_raw_transaction_leaves_is_gone_before_another_is_lent_its_connection() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 2).await;
    // There is only one to lend.
    let pooler = pooler(&postgres, PoolMode::Transaction, "1").await;
    let (cluster, other) = (through(&pooler, 2), connect(&pooler).await);
    let (one, two) = (schema(1), row_level(2));
    let is_clean = "SELECT coalesce(current_setting('app.evil', true), '') = ''
        AND NOT EXISTS (SELECT FROM pg_class WHERE relname = 'evil') AND current_setting('search_path') LIKE '%user%'
        AND (SELECT count(*) FROM pg_locks WHERE locktype LIKE 'advis%') = 0
        AND (SELECT count(*) FROM pg_cursors WHERE name = 'evil') = 0
        AND (SELECT count(*) FROM pg_listening_channels()) = 0";
    for left in [
        "SET app.evil = 'x'",
        "SET search_path = nowhere",
        "CREATE TEMP TABLE evil ()",
        "SELECT pg_advisory_lock(42)",
        "LISTEN evil",
        "DECLARE evil CURSOR WITH HOLD FOR SELECT 1",
    ] {
        // Done, undone, and dropped in the middle.
        for ends in [Some(true), Some(false), None] {
            let (write, left_it) = (cluster.write(&one), Notify::new());
            let work = write.transaction("evil", async |tx| {
                tx.raw().batch_execute(left).await.unwrap();
                match ends {
                    Some(true) => Ok(()),
                    Some(false) => Err(tx.query("nonsense", &[]).await.unwrap_err()),
                    None => {
                        left_it.notify_one();
                        pending().await
                    }
                }
            });
            let outcome = tokio::select! {
                outcome = work => Some(outcome),
                () = left_it.notified() => None,
            };
            assert_eq!(outcome.map(|outcome| outcome.is_ok()), ends, "{left}");
            let row = other.query_typed_one(is_clean, &[]).await.unwrap();
            assert!(row.get::<_, bool>(0), "after {left}, {ends:?}");
            let own = cluster.read(&two).query("clean", is_clean, &[]).await;
            assert!(own.unwrap()[0].get::<_, bool>(0), "after {left}, {ends:?}");
            until(PATIENCE, async || cluster.servers()[0].used == 0).await;
        }
    }
}
