//! What binding a statement to its tenant costs, beside bb8 without any tenant: prepared
//! single-row reads, 20 connections, 256 tasks.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bb8::{ManageConnection, Pool};
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls, Statement};
use towerblock_core::{BoxError, TenantId};
use towerblock_postgres::{Binding, Budget, Cluster, SchemaName, Servers, Settings};
use towerblock_testkit::Postgres;

const CONNECTIONS: u32 = 20;
const TASKS: u64 = 256;
const ROUNDS: usize = 7;
const RUN: Duration = Duration::from_millis(1_000);
const SQL: &str = "SELECT id, name FROM items WHERE id = $1";

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), BoxError> {
    let postgres = Postgres::builder()
        .setting("max_connections", "200")
        .start()
        .await?;
    set_up(&postgres).await?;
    let url = postgres.primary().url();
    let subjects = [
        ("bb8 0.9, no tenant, no test on checkout", bb8(&url).await?),
        (
            "the same, in a transaction for one schema, by hand",
            bound_by_hand(&url).await?,
        ),
        ("`Cluster`, no tenant", ours(&url, |_| Binding::shared())?),
        ("`Cluster`, one schema", ours(&url, |_| schema(1))?),
        (
            "`Cluster`, row-level security, 100 tenants",
            ours(&url, |n| row_level(n % 100 + 1))?,
        ),
        (
            "`Cluster`, 100 schemas",
            ours(&url, |n| schema(n % 100 + 1))?,
        ),
    ];
    // Connections are opened and statements prepared.
    for (_, work) in &subjects {
        rate(work).await;
    }
    let mut rates = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for ((_, work), rates) in subjects.iter().zip(&mut rates) {
            rates.push(rate(work).await);
        }
    }
    println!("| reads per second, 20 connections, 256 tasks | median | of bb8 |");
    println!("|---|--:|--:|");
    let medians: Vec<f64> = rates.into_iter().map(median).collect();
    let first = *medians.first().expect("there are subjects");
    for ((name, _), median) in subjects.iter().zip(medians) {
        println!("| {name} | {median:.0} | {:.2} |", median / first);
    }
    Ok(())
}

async fn set_up(postgres: &Postgres) -> Result<(), BoxError> {
    let rows = "SELECT n, 'item ' || n FROM generate_series(1, 100) n";
    let mut sql =
        "CREATE ROLE app; CREATE TABLE items (tenant_id bigint, id int PRIMARY KEY, name text);
         ALTER TABLE items ENABLE ROW LEVEL SECURITY; ALTER TABLE items FORCE ROW LEVEL SECURITY;
         CREATE POLICY tenant ON items USING (tenant_id =
             (SELECT nullif(current_setting('app.tenant_id', true), '')::bigint));
         GRANT ALL ON items TO app;
         INSERT INTO items SELECT n, n, 'item ' || n FROM generate_series(1, 100) n;"
            .to_owned();
    for key in 1..=100 {
        let schema = SchemaName::from_key(key);
        sql += &format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.items (id int PRIMARY KEY, name text);
             INSERT INTO {schema}.items {rows};"
        );
    }
    postgres.primary().sql(&sql).await?;
    Ok(())
}

type Work = Arc<dyn Fn(u64) -> BoxFuture<'static, usize> + Send + Sync>;

fn ours(
    url: &str,
    binding: impl Fn(u64) -> Binding + Send + Sync + 'static,
) -> Result<Work, BoxError> {
    let connections = usize::try_from(CONNECTIONS)?.try_into()?;
    let cluster = Cluster::start(
        Servers::new(url)?,
        Settings::new(Budget::fixed(connections)),
    );
    Ok(Arc::new(move |n| {
        let (cluster, binding) = (cluster.clone(), binding(n));
        Box::pin(async move {
            let id = i32::try_from(n % 100 + 1).expect("small");
            let rows = cluster.read(&binding).query("item", SQL, &[&id]).await;
            rows.expect("an answer").len()
        })
    }))
}

fn tenant(key: u64) -> TenantId {
    TenantId::new(format!("tenant-{key}")).expect("a name")
}

fn schema(key: u64) -> Binding {
    Binding::schema(&tenant(key), SchemaName::from_key(key))
}

fn row_level(key: u64) -> Binding {
    Binding::row_level(&tenant(key), "app", key)
}

/// Connections that have prepared the statement.
struct Prepared(Config);

impl ManageConnection for Prepared {
    type Connection = (Client, Statement);
    type Error = Error;

    async fn connect(&self) -> Result<Self::Connection, Error> {
        let (client, connection) = self.0.connect(NoTls).await?;
        tokio::spawn(connection);
        let statement = client.prepare(SQL).await?;
        Ok((client, statement))
    }

    async fn is_valid(&self, _: &mut Self::Connection) -> Result<(), Error> {
        Ok(())
    }

    fn has_broken(&self, (client, _): &mut Self::Connection) -> bool {
        client.is_closed()
    }
}

async fn bb8(url: &str) -> Result<Work, BoxError> {
    let pool = pool(url).await?;
    Ok(Arc::new(move |n| {
        let pool = pool.clone();
        Box::pin(async move {
            let id = i32::try_from(n % 100 + 1).expect("small");
            let connection = pool.get().await.expect("a connection");
            let (client, statement) = &*connection;
            client.query(statement, &[&id]).await.expect("rows").len()
        })
    }))
}

/// What a bound read sends, by the driver alone.
async fn bound_by_hand(url: &str) -> Result<Work, BoxError> {
    let pool = pool(url).await?;
    let begin = format!(
        "BEGIN READ ONLY;SET LOCAL search_path={},pg_temp",
        SchemaName::from_key(1)
    );
    Ok(Arc::new(move |n| {
        let (pool, begin) = (pool.clone(), begin.clone());
        Box::pin(async move {
            let id = i32::try_from(n % 100 + 1).expect("small");
            let connection = pool.get().await.expect("a connection");
            let (client, statement) = &*connection;
            let parameters: [&(dyn ToSql + Sync); 1] = [&id];
            let (begun, rows, ended) = tokio::join!(
                biased;
                client.batch_execute(&begin),
                client.query(statement, &parameters),
                client.batch_execute("COMMIT"),
            );
            begun.and(ended).expect("a transaction");
            rows.expect("rows").len()
        })
    }))
}

async fn pool(url: &str) -> Result<Pool<Prepared>, BoxError> {
    let pool = Pool::builder().max_size(CONNECTIONS);
    let pool = pool.test_on_check_out(false);
    Ok(pool.build(Prepared(url.parse()?)).await?)
}

async fn rate(work: &Work) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for n in 0..TASKS {
        let (work, done) = (Arc::clone(work), Arc::clone(&done));
        tasks.spawn(async move {
            let mut n = n;
            loop {
                assert_eq!(work(n).await, 1);
                done.fetch_add(1, Ordering::Relaxed);
                n += TASKS + 1;
            }
        });
    }
    sleep(RUN / 5).await;
    let (start, before) = (Instant::now(), done.load(Ordering::Relaxed));
    sleep(RUN).await;
    let (took, after) = (start.elapsed(), done.load(Ordering::Relaxed));
    tasks.shutdown().await;
    // What was cut off is cleaned.
    sleep(Duration::from_millis(300)).await;
    #[expect(clippy::cast_precision_loss, reason = "not many")]
    let count = (after - before) as f64;
    count / took.as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    *rates.get(rates.len() / 2).expect("there are rounds")
}
