//! `cargo run --example pool`: a noisy and a quiet tenant at one pool, side by side with a
//! pool in which whoever comes first is served first.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::num::NonZeroUsize;
use std::time::Duration;

use bb8_postgres::PostgresConnectionManager;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;
use towerblock_core::{BoxError, TenantId};
use towerblock_fair::FairSemaphore;
use towerblock_pool::{Pool, Settings};
use towerblock_testkit::Postgres;

/// What a statement takes.
const WORK: Duration = Duration::from_millis(2);
const SIZE: NonZeroUsize = NonZeroUsize::new(4).unwrap();
const RUN: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    if Postgres::is_installed() {
        println!("over PostgreSQL");
        let servers = Postgres::builder().start().await?;
        let url = servers.primary().url();
        let manager = PostgresConnectionManager::new_from_stringlike(url, NoTls)?;
        let sleeps = async |pool: Pool<PostgresConnectionManager<NoTls>>, tenant: TenantId| {
            let connection = pool.get(&tenant).await?;
            connection.batch_execute("SELECT pg_sleep(0.002)").await?;
            Ok::<_, BoxError>(())
        };
        compare(manager, sleeps).await
    } else {
        println!("no PostgreSQL binaries found, so over nothing");
        let holds = async |pool: Pool<Nothing>, tenant: TenantId| {
            let _connection = pool.get(&tenant).await?;
            sleep(WORK).await;
            Ok::<_, BoxError>(())
        };
        compare(Nothing, holds).await
    }
}

async fn compare<M, F>(
    manager: M,
    work: impl Fn(Pool<M>, TenantId) -> F + Clone + Send + Sync + 'static,
) -> Result<(), BoxError>
where
    M: bb8::ManageConnection + Clone,
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let mut worst = Vec::new();
    for is_fair in [false, true] {
        let pool = Pool::start(
            manager.clone(),
            SIZE,
            FairSemaphore::new(SIZE),
            Settings::default().min_idle(SIZE.get()),
        );
        let noisy = TenantId::new("noisy")?;
        // Without turns between tenants, everybody stands in one line.
        let quiet = TenantId::new(if is_fair { "quiet" } else { "noisy" })?;
        let end = Instant::now() + RUN;
        let mut flood = JoinSet::new();
        for _ in 0..100 {
            let (pool, tenant, work) = (pool.clone(), noisy.clone(), work.clone());
            flood.spawn(async move {
                let mut done = 0;
                while Instant::now() < end {
                    work(pool.clone(), tenant.clone()).await?;
                    done += 1;
                }
                Ok::<u32, BoxError>(done)
            });
        }
        let mut slowest = Duration::ZERO;
        while Instant::now() < end {
            let asked = Instant::now();
            work(pool.clone(), quiet.clone()).await?;
            slowest = slowest.max(asked.elapsed());
            sleep(Duration::from_millis(10)).await;
        }
        let mut done = 0;
        while let Some(of_one) = flood.join_next().await {
            done += of_one??;
        }
        let how = if is_fair { "in turns" } else { "in one line" };
        println!("{how}: the noisy one got {done}, the quiet one waited {slowest:.1?} at most");
        worst.push(slowest);
    }
    let [in_line, in_turns] = worst.as_slice() else {
        return Err("two runs".into());
    };
    assert!(
        in_turns < in_line,
        "turns cost the quiet one less than a line"
    );
    Ok(())
}

/// A server that is not there.
#[derive(Clone)]
struct Nothing;

impl bb8::ManageConnection for Nothing {
    type Connection = ();
    type Error = std::convert::Infallible;

    async fn connect(&self) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn is_valid(&self, (): &mut ()) -> Result<(), Self::Error> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}
