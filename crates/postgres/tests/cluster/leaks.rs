//! No tenant ever sees another's rows: whatever its calls do to their connections, whenever
//! they are dropped, and whatever happens to the servers meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use towerblock_postgres::{Binding, Cluster, Error, Servers, Settings, Transaction};
use towerblock_testkit::{Postgres, Proxy, poll_times};

use crate::{budget, row_level, schema, set_up};

const TENANTS: u64 = 6;
const OWNERS: &str = "SELECT owner FROM items";

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn how_long() -> Duration {
    let long = std::env::var_os("TOWERBLOCK_LONG").is_some();
    Duration::from_secs(if long { 300 } else { 20 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_of_another_tenant_is_ever_seen() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, TENANTS).await;
    let proxy = Proxy::start(postgres.primary().addr()).await.unwrap();
    let direct = postgres.primary().url();
    let port = |port: u16| format!(":{port}/");
    let url = direct.replace(&port(postgres.primary().port()), &port(proxy.addr().port()));
    assert_ne!(url, direct);
    let cluster = Cluster::start(Servers::new(&url).unwrap(), Settings::new(budget(5)));
    let seen = Arc::new(AtomicUsize::new(0));
    let end = Instant::now() + how_long();
    let mut workers = JoinSet::new();
    for seed in 1..=16 {
        workers.spawn(work(
            cluster.clone(),
            Random(seed * 0x9e37_79b9),
            end,
            Arc::clone(&seen),
        ));
    }
    let mut random = Random(7);
    while Instant::now() < end {
        sleep(Duration::from_millis(50 + random.below(200))).await;
        match random.below(4) {
            0 => {
                let victim = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE application_name <> 'psql' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
                    ORDER BY random() LIMIT 1";
                postgres.primary().sql(victim).await.unwrap();
            }
            1 => proxy.cut().await,
            2 => proxy.reset().await,
            _ => {
                proxy.delay(Duration::from_millis(random.below(30)));
                sleep(Duration::from_millis(100)).await;
                proxy.heal().await;
            }
        }
    }
    proxy.heal().await;
    while let Some(ended) = workers.join_next().await {
        ended.unwrap();
    }
    let seen = seen.load(Ordering::Relaxed);
    assert!(seen > 200, "{seen} answers only");
    println!("{seen} answers, no row of another tenant");
}

async fn work(cluster: Cluster, mut random: Random, end: Instant, seen: Arc<AtomicUsize>) {
    while Instant::now() < end {
        let key = random.below(TENANTS) + 1;
        let binding = if random.below(2) == 0 {
            schema(key)
        } else {
            row_level(key)
        };
        let polls = match random.below(3) {
            0 => usize::try_from(random.below(20)).unwrap(),
            _ => usize::MAX,
        };
        let call = call(
            &cluster,
            &binding,
            i64::try_from(key).unwrap(),
            random.below(9),
        );
        match poll_times(polls, call).await {
            Some(Ok(rows)) => {
                seen.fetch_add(rows, Ordering::Relaxed);
            }
            // Servers come and go.
            Some(Err(_)) => sleep(Duration::from_millis(5)).await,
            None => {}
        }
    }
}

async fn call(
    cluster: &Cluster,
    binding: &Binding,
    owner: i64,
    which: u64,
) -> Result<usize, Error> {
    let (read, write) = (cluster.read(binding), cluster.write(binding));
    let session = |sql: &'static str| write.execute("session", sql, &[]);
    match which {
        0 => session("SET app.tenant_id = '1'").await.map(|_| 0),
        1 => session("SELECT set_config('search_path', 't000000000001', false)")
            .await
            .map(|_| 0),
        2 => {
            session("CREATE TEMP TABLE items AS SELECT 1::bigint AS owner, 1::bigint AS tenant_id")
                .await
                .map(|_| 0)
        }
        3 => {
            write
                .transaction("raw", async |tx| raw(tx, owner).await)
                .await
        }
        4 => {
            let panics = tokio::spawn({
                let (cluster, binding) = (cluster.clone(), binding.clone());
                async move {
                    let write = cluster.write(&binding);
                    let _: Result<(), Error> = write
                        .transaction("panics", async |tx| {
                            tx.execute("SET LOCAL app.x = 'y'", &[]).await?;
                            panic!("a handler has a bug")
                        })
                        .await;
                }
            });
            let _ = panics.await;
            Ok(0)
        }
        5 => read
            .query("wrong", "SELECT nothing FROM items", &[])
            .await
            .map(|rows| rows.len()),
        6 => {
            let sql = "UPDATE items SET owner = owner RETURNING owner";
            check(&write.query("touch", sql, &[]).await?, owner)
        }
        7 => {
            read.transaction("twice", async |tx| {
                check(&tx.query(OWNERS, &[]).await?, owner)?;
                check(&tx.query(OWNERS, &[]).await?, owner)
            })
            .await
        }
        _ => check(&read.query("owners", OWNERS, &[]).await?, owner),
    }
}

/// All that a transaction of tokio-postgres may do.
async fn raw(tx: &Transaction<'_>, owner: i64) -> Result<usize, Error> {
    let evil = "SAVEPOINT s; SET search_path = t000000000001; SET ROLE NONE; ROLLBACK TO s;
        SET app.tenant_id = '1'; PREPARE evil AS SELECT 1; SELECT pg_advisory_lock_shared(1)";
    let before = tx.query(OWNERS, &[]).await?;
    check(&before, owner)?;
    let _ = tx.raw().batch_execute(evil).await;
    Ok(before.len())
}

fn check(rows: &[tokio_postgres::Row], owner: i64) -> Result<usize, Error> {
    for row in rows {
        assert_eq!(row.get::<_, i64>(0), owner, "a row of another tenant");
    }
    Ok(rows.len())
}
