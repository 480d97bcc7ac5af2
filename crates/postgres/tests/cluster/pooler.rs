//! PgBouncer between, which lends its connections for one transaction at a time.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, NoTls};
use towerblock_postgres::{Cluster, Error, Servers, Settings};
use towerblock_testkit::{PgBouncer, PoolMode, Postgres};

use crate::{PATIENCE, budget, known, row_level, schema, set_up, until};

const OWNERS: &str = "SELECT owner FROM items";
const LEAVES: &str = "SET app.x = '1'";

pub(crate) async fn pooler(postgres: &Postgres, mode: PoolMode, backends: &str) -> PgBouncer {
    PgBouncer::builder(postgres.primary().addr(), mode)
        .setting("default_pool_size", backends)
        .start()
        .await
        .unwrap()
}

pub(crate) fn through(pooler: &PgBouncer, connections: usize) -> Cluster {
    let servers = Servers::new(&pooler.url()).unwrap();
    Cluster::start(servers, Settings::new(budget(connections)))
}

/// Somebody else's, past every cluster.
pub(crate) async fn connect(pooler: &PgBouncer) -> Client {
    let (client, connection) = tokio_postgres::connect(&pooler.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn leaves(cluster: &Cluster, sql: &str) -> Result<u64, Error> {
    let one = schema(1);
    cluster.write(&one).execute("leaves", sql, &[]).await
}

#[tokio::test]
async fn through_a_pooler_tenants_see_their_own_rows_and_leave_nothing() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 4).await;
    let pooler = pooler(&postgres, PoolMode::Transaction, "2").await;
    let cluster = through(&pooler, 6);
    let one = schema(1);
    for sql in [LEAVES, "LISTEN news"] {
        let refused = leaves(&cluster, sql).await.unwrap_err().to_string();
        assert!(refused.contains("pooler"), "{refused}");
    }
    assert!(cluster.dedicated("mine", &one).await.is_err());

    let mut tasks = JoinSet::new();
    for n in 0..12_u64 {
        let cluster = cluster.clone();
        tasks.spawn(async move {
            for round in 0..40 {
                let key = (n + round) % 4 + 1;
                let owner = i64::try_from(key).unwrap();
                let binding = if round % 2 == 0 {
                    schema(key)
                } else {
                    row_level(key)
                };
                let rows = cluster
                    .read(&binding)
                    .query("owners", OWNERS, &[])
                    .await
                    .unwrap();
                assert!(rows.iter().all(|row| row.get::<_, i64>(0) == owner));
                assert_eq!(rows.len(), 1);
                let twice: Result<i64, Error> = cluster
                    .write(&binding)
                    .transaction("twice", async |tx| {
                        let sql = "UPDATE items SET owner = owner WHERE owner = $1";
                        assert_eq!(tx.execute(sql, &[&owner]).await?, 1);
                        Ok(tx.query(OWNERS, &[]).await?[0].get(0))
                    })
                    .await;
                assert_eq!(twice.unwrap(), owner);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

/// Others take and give back its connections all the time, so that none of ours is lent the
/// same one twice, or all of them are.
#[tokio::test]
async fn a_pooler_is_known_from_the_first_call_on_whoever_else_uses_it() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let pooler = pooler(&postgres, PoolMode::Transaction, "3").await;
    let mut others = JoinSet::new();
    for n in 0..4 {
        let client = connect(&pooler).await;
        others.spawn(async move {
            loop {
                client
                    .simple_query("SELECT count(*) FROM items")
                    .await
                    .unwrap();
                sleep(Duration::from_millis(n)).await;
            }
        });
    }
    let refused = async |cluster: &Cluster| {
        for outcome in join_all((0..4).map(|_| leaves(cluster, LEAVES))).await {
            let refused = outcome.unwrap_err().to_string();
            assert!(refused.contains("pooler"), "{refused}");
        }
    };
    for _ in 0..10 {
        refused(&through(&pooler, 4)).await;
    }
    // Nor does it look like another kind, however long it is looked at.
    let cluster = through(&pooler, 4);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(6) {
        refused(&cluster).await;
        assert!(cluster.servers()[0].is_pooled);
        sleep(Duration::from_millis(20)).await;
    }
    others.shutdown().await;
    // Nobody found a search path of ours, or anything else.
    let client = connect(&pooler).await;
    for _ in 0..20 {
        let left = "SELECT current_setting('app.x', true), current_setting('search_path'),
            current_setting('statement_timeout'), pg_backend_pid()";
        let row = client.query_typed_one(left, &[]).await.unwrap();
        let left: [Option<&str>; 3] = [row.get(0), row.get(1), row.get(2)];
        assert_eq!(left, [None, Some("\"$user\", public"), Some("0")]);
    }
}

#[tokio::test]
async fn a_pooler_that_lends_by_session_is_none_once_it_was_looked_at() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let pooler = pooler(&postgres, PoolMode::Session, "10").await;
    let cluster = through(&pooler, 2);
    let one = schema(1);
    assert!(leaves(&cluster, LEAVES).await.is_err());
    assert!(cluster.servers()[0].is_pooled);
    known(&cluster).await;
    until(PATIENCE, async || !cluster.servers()[0].is_pooled).await;
    let leaves = async || leaves(&cluster, LEAVES).await.is_ok();
    until(PATIENCE, leaves).await;
    let prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%owner%'";
    let read = async |sql: &str| {
        let rows = cluster.read(&one).query("read", sql, &[]).await.unwrap();
        rows[0].get::<_, i64>(0)
    };
    read(OWNERS).await;
    read(OWNERS).await;
    assert!(read(prepared).await > 0);
    let mut own = cluster.dedicated("own", &one).await.unwrap();
    own.batch_execute("LISTEN news").await.unwrap();
    let sql = "NOTIFY news, 'hello'";
    postgres.primary().sql(sql).await.unwrap();
    assert_eq!(own.notification().await.unwrap().payload(), "hello");
}
