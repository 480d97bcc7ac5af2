//! What a checkout costs, beside bb8 alone and deadpool, and who gets one: 500 tasks on 20
//! connections, and 50 requests at once on a cold pool.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use towerblock_core::{BoxError, TenantId};
use towerblock_fair::FairSemaphore;
use towerblock_pool::{Pool, Pooled, Settings};

const SIZE: NonZeroUsize = NonZeroUsize::new(20).unwrap();
const ROUNDS: usize = 101;
const LOOPS: u32 = 2_000;
const RUN: Duration = Duration::from_secs(3);
const HOLD: Duration = Duration::from_millis(2);

fn main() -> Result<(), BoxError> {
    println!("| checkout and return | one thread | | two threads | |");
    println!("|---|--:|--:|--:|--:|");
    let mut nanos: [[Vec<f64>; 3]; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (threads, nanos) in (1..).zip(&mut nanos) {
            let [ours, bb8, deadpool] = nanos;
            ours.push(cycle::<Ours>(threads)?);
            bb8.push(cycle::<Bb8>(threads)?);
            deadpool.push(cycle::<Deadpool>(threads)?);
        }
    }
    let names = [Ours::NAME, Bb8::NAME, Deadpool::NAME];
    let [one, two] = nanos.map(|pools| pools.map(median));
    let (first_one, first_two) = (one[1], two[1]);
    for ((name, one), two) in names.into_iter().zip(one).zip(two) {
        let (of_one, of_two) = (one / first_one, two / first_two);
        println!("| {name} | {one:.0} ns | {of_one:.2} × | {two:.0} ns | {of_two:.2} × |");
    }

    println!(
        "\n| 500 tasks, 20 connections held 2 ms | most : least | wait p50 | p99 | p99.9 | longest | gets/s |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    flood::<Ours>()?;
    flood::<Bb8>()?;
    flood::<Deadpool>()?;

    println!(
        "\n| 50 at once on a cold pool, 150 ms to connect, 2 ms of work | connections opened | all served after |"
    );
    println!("|---|--:|--:|");
    spike::<Ours>()?;
    spike::<Bb8>()?;
    spike::<Deadpool>()
}

/// A pool of connections to nothing.
trait Shared: Clone + Send + Sync + 'static {
    const NAME: &str;
    type Guard<'p>: Send;

    fn new(manager: Nothing, size: NonZeroUsize) -> Self;

    fn get<'p>(&'p self, tenant: &'p TenantId) -> impl Future<Output = Self::Guard<'p>> + Send;
}

#[derive(Clone)]
struct Ours(Pool<Nothing>);

impl Shared for Ours {
    const NAME: &str = "towerblock-pool";
    type Guard<'p> = Pooled<Nothing>;

    fn new(manager: Nothing, size: NonZeroUsize) -> Self {
        let settings = Settings::default().acquire_timeout(Duration::from_secs(30));
        let slots = FairSemaphore::new(size);
        Self(Pool::start(manager, size, slots, settings))
    }

    async fn get<'p>(&'p self, tenant: &'p TenantId) -> Pooled<Nothing> {
        self.0.get(tenant).await.expect("nothing fails")
    }
}

#[derive(Clone)]
struct Bb8(bb8::Pool<Nothing>);

impl Shared for Bb8 {
    const NAME: &str = "bb8 0.9, no test on checkout";
    type Guard<'p> = bb8::PooledConnection<'p, Nothing>;

    fn new(manager: Nothing, size: NonZeroUsize) -> Self {
        let size = u32::try_from(size.get()).expect("a small pool");
        let builder = bb8::Pool::builder().max_size(size).test_on_check_out(false);
        Self(builder.build_unchecked(manager))
    }

    async fn get<'p>(&'p self, _: &'p TenantId) -> Self::Guard<'p> {
        self.0.get().await.expect("nothing fails")
    }
}

#[derive(Clone)]
struct Deadpool(deadpool::managed::Pool<Nothing>);

impl Shared for Deadpool {
    const NAME: &str = "deadpool 0.13";
    type Guard<'p> = deadpool::managed::Object<Nothing>;

    fn new(manager: Nothing, size: NonZeroUsize) -> Self {
        let builder = deadpool::managed::Pool::builder(manager).max_size(size.get());
        Self(builder.build().expect("nothing to configure"))
    }

    async fn get<'p>(&'p self, _: &'p TenantId) -> Self::Guard<'p> {
        self.0.get().await.expect("nothing fails")
    }
}

/// Connects to nothing, after so long.
#[derive(Clone, Debug, Default)]
struct Nothing {
    delay: Duration,
    opened: Arc<AtomicUsize>,
}

impl Nothing {
    async fn open(&self) {
        if !self.delay.is_zero() {
            sleep(self.delay).await;
        }
        self.opened.fetch_add(1, Ordering::Relaxed);
    }
}

impl bb8::ManageConnection for Nothing {
    type Connection = ();
    type Error = std::convert::Infallible;

    async fn connect(&self) -> Result<(), Self::Error> {
        self.open().await;
        Ok(())
    }

    async fn is_valid(&self, (): &mut ()) -> Result<(), Self::Error> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

impl deadpool::managed::Manager for Nothing {
    type Type = ();
    type Error = std::convert::Infallible;

    async fn create(&self) -> Result<(), Self::Error> {
        self.open().await;
        Ok(())
    }

    async fn recycle(
        &self,
        (): &mut (),
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Self::Error> {
        Ok(())
    }
}

/// Nanoseconds for one checkout and return, by so many threads at once.
fn cycle<P: Shared>(threads: usize) -> Result<f64, BoxError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_time()
        .build()?;
    let pool = runtime.block_on(async { P::new(Nothing::default(), SIZE) });
    let tenant = TenantId::new("acme")?;
    let took = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..threads {
            let (pool, tenant) = (pool.clone(), tenant.clone());
            tasks.spawn(async move {
                drop(pool.get(&tenant).await);
                let start = Instant::now();
                for _ in 0..LOOPS {
                    drop(pool.get(&tenant).await);
                }
                start.elapsed()
            });
        }
        tasks.join_all().await
    });
    let longest = took.into_iter().max().expect("there are threads");
    Ok(longest.as_secs_f64() * 1e9 / f64::from(LOOPS))
}

fn flood<P: Shared>() -> Result<(), BoxError> {
    let tenant = TenantId::new("acme")?;
    let all = runtime()?.block_on(async {
        let pool = P::new(Nothing::default(), SIZE);
        let end = Instant::now() + RUN;
        let mut tasks = JoinSet::new();
        for _ in 0..500 {
            let (pool, tenant) = (pool.clone(), tenant.clone());
            tasks.spawn(async move {
                let mut waits = Vec::new();
                while Instant::now() < end {
                    let asked = Instant::now();
                    let guard = pool.get(&tenant).await;
                    waits.push(asked.elapsed());
                    sleep(HOLD).await;
                    drop(guard);
                }
                waits
            });
        }
        tasks.join_all().await
    });
    let gets = all.iter().map(Vec::len);
    let (least, most) = (gets.clone().min(), gets.max());
    let (least, most) = least.zip(most).expect("there are tasks");
    let mut waits = all.concat();
    waits.sort_unstable();
    let at = |permille: usize| {
        let index = (waits.len() * permille / 1_000).min(waits.len() - 1);
        waits
            .get(index)
            .copied()
            .expect("there are waits")
            .as_secs_f64()
            * 1e3
    };
    println!(
        "| {} | {most} : {least} | {:.1} ms | {:.1} ms | {:.1} ms | {:.1} ms | {} |",
        P::NAME,
        at(500),
        at(990),
        at(999),
        at(1_000),
        waits.len() / 3,
    );
    Ok(())
}

fn spike<P: Shared>() -> Result<(), BoxError> {
    let tenant = TenantId::new("acme")?;
    let manager = Nothing {
        delay: Duration::from_millis(150),
        ..Nothing::default()
    };
    let opened = Arc::clone(&manager.opened);
    let served = runtime()?.block_on(async {
        let pool = P::new(manager, NonZeroUsize::new(50).expect("fifty"));
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..50 {
            let (pool, tenant) = (pool.clone(), tenant.clone());
            tasks.spawn(async move {
                let guard = pool.get(&tenant).await;
                sleep(HOLD).await;
                drop(guard);
            });
        }
        tasks.join_all().await;
        let served = start.elapsed();
        sleep(Duration::from_secs(1)).await;
        served
    });
    let opened = opened.load(Ordering::Relaxed);
    println!("| {} | {opened} | {} ms |", P::NAME, served.as_millis());
    Ok(())
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().expect("there are rounds")
}
