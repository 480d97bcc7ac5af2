//! PgBouncer between, which lends its connections for one transaction at a time.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use towerblock_postgres::{Cluster, Error, Servers, Settings};
use towerblock_testkit::{PgBouncer, PoolMode, Postgres};

use crate::{PATIENCE, budget, known, row_level, schema, set_up, until};

const OWNERS: &str = "SELECT owner FROM items";

#[tokio::test]
async fn through_a_pooler_tenants_see_their_own_rows_and_leave_nothing() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 4).await;
    let pooler = PgBouncer::builder(postgres.primary().addr(), PoolMode::Transaction)
        .setting("default_pool_size", "2")
        .start()
        .await
        .unwrap();
    let servers = Servers::new(&pooler.url()).unwrap();
    let cluster = Cluster::start(servers, Settings::new(budget(6)));
    // It is looked for once, and is seen where nobody else uses its connections meanwhile.
    known(&cluster).await;
    sleep(Duration::from_millis(500)).await;
    let one = schema(1);
    let leaves = |sql: &'static str| cluster.write(&one).execute("leaves", sql, &[]);
    // Once it is known that there is one, nothing is left on its connections.
    until(PATIENCE, async || leaves("SET app.x = '1'").await.is_err()).await;
    let refused = leaves("LISTEN news").await.unwrap_err().to_string();
    assert!(refused.contains("pooler"), "{refused}");
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
