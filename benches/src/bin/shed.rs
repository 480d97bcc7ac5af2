//! What it costs to bound the work in flight, beside tower's `ConcurrencyLimit` and `LoadShed`, and
//! who is refused: fifty tenants beside a noisy one.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

use std::future::ready;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use towerblock_core::{BoxError, HasTenant, TenantId};
use towerblock_shed::{BulkheadLayer, Limit, ShedLayer};

const ROOM: usize = 1_000;
const CALM: Duration = Duration::from_secs(3);
const RUN: Duration = Duration::from_secs(10);
/// 2,000 requests per second.
const SLOTS: usize = 20;
const WORK: f64 = 0.010;
/// Of each of fifty tenants, per second.
const EACH: f64 = 24.0;

fn main() -> Result<(), BoxError> {
    println!("| a request that is admitted | one thread | | two threads | |");
    println!("|---|--:|--:|--:|--:|");
    let subjects = subjects();
    let (alone, together) = (medians(&subjects, 1), medians(&subjects, 2));
    let peer = |nanos: &[f64]| *nanos.get(1).expect("tower is the second");
    for ((subject, one), two) in subjects.iter().zip(&alone).zip(&together) {
        let (of_one, of_two) = (one / peer(&alone), two / peer(&together));
        let name = subject.name;
        println!("| {name} | {one:.1} ns | {of_one:.2} × | {two:.0} ns | {of_two:.2} × |");
    }
    println!("\n| a request that is refused | one thread |");
    println!("|---|--:|");
    let refusals = refusals();
    for (subject, nanos) in refusals.iter().zip(medians(&refusals, 1)) {
        println!("| {} | {nanos:.1} ns |", subject.name);
    }

    println!(
        "\n| fifty tenants, and a noisy one at | layer | refused | p50 | p99 | of its p99 alone | noisy served/s |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|");
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()?;
    for name in ["none", "`ConcurrencyLimit` 40", "fixed 40", "adaptive"] {
        let mut alone = None;
        for times in [0.0, 10.0, 100.0] {
            let mut seen = runtime.block_on(beside(stack(name), times))?;
            seen.took.sort_unstable();
            let of = |permille| millis(&seen.took, permille);
            let (p50, p99) = (of(500), of(990));
            let alone = *alone.get_or_insert(p99);
            let refused = seen.refused_percent();
            println!(
                "| {times:.0} × | {name} | {refused:.2} % | {p50:.1} ms | {p99:.1} ms | {:.2} × | {:.0} |",
                p99 / alone,
                seen.noisy as f64 / RUN.as_secs_f64(),
            );
        }
    }
    Ok(())
}

/// A request that is as good as free: what it costs itself is no layer's.
#[derive(Clone, Copy)]
struct Ask(&'static TenantId);

impl HasTenant for Ask {
    fn tenant(&self) -> Option<&TenantId> {
        Some(self.0)
    }
}

impl Ask {
    fn of(tenant: String) -> Result<Self, BoxError> {
        let tenant = Box::leak(Box::new(TenantId::new(tenant)?));
        Ok(Self(tenant))
    }
}

struct Subject {
    name: &'static str,
    /// So many requests.
    run: Box<dyn Fn(usize) + Send + Sync>,
}

fn subject<S>(name: &'static str, svc: S) -> Subject
where
    S: Service<Ask> + Clone + Send + Sync + 'static,
{
    let ask = Ask::of("acme".to_owned()).expect("valid");
    let run = Box::new(move |times| {
        let mut svc = svc.clone();
        (0..times).for_each(|_| {
            black_box(call(&mut svc, black_box(ask)));
        });
    });
    Subject { name, run }
}

/// Whether it was admitted.
fn call<S: Service<Ask>>(svc: &mut S, ask: Ask) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    while svc.poll_ready(&mut cx).is_pending() {
        thread::yield_now();
    }
    let mut answer = pin!(svc.call(ask));
    loop {
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut cx) {
            return answer.is_ok();
        }
    }
}

fn bare() -> impl Service<Ask, Response = (), Error = BoxError, Future: Send> + Clone + Send + Sync
{
    service_fn(|_: Ask| ready(Ok::<_, BoxError>(())))
}

fn subjects() -> Vec<Subject> {
    let tower = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(ROOM));
    let fixed = ShedLayer::new(Limit::fixed(at_most(ROOM)));
    let adaptive = ShedLayer::new(Limit::adaptive());
    let bulkhead = BulkheadLayer::new(at_most(ROOM / 2), at_most(ROOM));
    vec![
        subject("bare service", bare()),
        subject(
            "tower, `LoadShed` over `ConcurrencyLimit`",
            tower.service(bare()),
        ),
        subject("`BulkheadLayer`", bulkhead.layer(bare())),
        subject("`ShedLayer`, fixed", fixed.layer(bare())),
        subject("`ShedLayer`, adaptive", adaptive.layer(bare())),
    ]
}

/// Nobody has room: each limit of one is taken.
fn refusals() -> Vec<Subject> {
    let ask = Ask::of("first".to_owned()).expect("valid");
    let hangs = || service_fn(|_: Ask| std::future::pending::<Result<(), BoxError>>());
    let tower = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(1));
    let mut tower = tower.service(hangs());
    hold(&mut tower, ask);
    let mut shed = ShedLayer::new(Limit::fixed(at_most(1))).layer(hangs());
    hold(&mut shed, ask);
    vec![
        subject("tower, `LoadShed` over `ConcurrencyLimit`", tower),
        subject("`ShedLayer`, fixed", shed),
    ]
}

/// For ever.
fn hold<S>(svc: &mut S, ask: Ask)
where
    S: Service<Ask, Future: Send + 'static>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(svc.poll_ready(&mut cx).is_ready());
    let held = Box::leak(Box::new(Box::pin(svc.call(ask))));
    assert!(held.as_mut().poll(&mut cx).is_pending());
}

/// Nanoseconds for each subject and thread: medians of rounds in which all had their turn.
fn medians(subjects: &[Subject], threads: usize) -> Vec<f64> {
    let (times, rounds) = if threads == 1 {
        (2_000, 1_001)
    } else {
        (100_000, 31)
    };
    let mut nanos = vec![Vec::new(); subjects.len()];
    for _ in 0..rounds {
        for (subject, nanos) in subjects.iter().zip(&mut nanos) {
            let took = at_once(subject, times, threads);
            #[expect(clippy::cast_precision_loss, reason = "not many")]
            nanos.push(took.as_secs_f64() * 1e9 / times as f64);
        }
    }
    nanos.into_iter().map(middle).collect()
}

/// The longest of the threads.
fn at_once(subject: &Subject, times: usize, threads: usize) -> Duration {
    let timed = || {
        let start = Instant::now();
        (subject.run)(times);
        start.elapsed()
    };
    if threads == 1 {
        return timed();
    }
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let run = || {
            start.wait();
            timed()
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let took = threads.into_iter().map(thread::ScopedJoinHandle::join);
        took.map(|took| took.expect("no panic")).max()
    })
    .expect("there are threads")
}

fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    *numbers.get(numbers.len() / 2).expect("there are rounds")
}

type Stack = BoxCloneSyncService<Ask, (), BoxError>;

/// A server of so many slots, behind the layer of this name.
fn stack(name: &str) -> Stack {
    let slots = Arc::new(Semaphore::new(SLOTS));
    let served = Arc::new(AtomicU64::new(0));
    let server = service_fn(move |_: Ask| {
        let (slots, served) = (Arc::clone(&slots), Arc::clone(&served));
        async move {
            let _slot = slots.acquire().await?;
            let nth = served.fetch_add(1, Ordering::Relaxed);
            let work = WORK * Random(nth << 20).exponential();
            sleep(Duration::from_secs_f64(work)).await;
            Ok::<_, BoxError>(())
        }
    });
    let forty = at_most(40);
    match name {
        "none" => Stack::new(server),
        "fixed 40" => Stack::new(ShedLayer::new(Limit::fixed(forty)).layer(server)),
        "adaptive" => Stack::new(ShedLayer::new(Limit::adaptive().start(forty)).layer(server)),
        _ => {
            let tower = ServiceBuilder::new()
                .layer(LoadShedLayer::new())
                .layer(GlobalConcurrencyLimitLayer::new(40));
            Stack::new(tower.service(server))
        }
    }
}

#[derive(Default)]
struct Seen {
    /// The times of the fifty.
    took: Vec<Duration>,
    refused: usize,
    /// How many of the noisy one were served.
    noisy: usize,
}

impl Seen {
    fn refused_percent(&self) -> f64 {
        self.refused as f64 * 100.0 / (self.took.len() + self.refused) as f64
    }
}

async fn beside(stack: Stack, times: f64) -> Result<Seen, BoxError> {
    // The server has been running when the noisy one comes.
    everyone(stack.clone(), 0.0, CALM).await?;
    everyone(stack, times, RUN).await
}

async fn everyone(stack: Stack, times: f64, lasts: Duration) -> Result<Seen, BoxError> {
    let (mut seen, mut tasks) = (Seen::default(), JoinSet::new());
    for n in 0..50 {
        let ask = Ask::of(format!("quiet-{n}"))?;
        tasks.spawn(asks(stack.clone(), ask, EACH, lasts));
    }
    let noisy = (times > 0.0).then(|| {
        let ask = Ask::of("noisy".to_owned()).expect("valid");
        tokio::spawn(asks(stack, ask, EACH * times, lasts))
    });
    for (took, refused) in tasks.join_all().await {
        seen.took.extend(took);
        seen.refused += refused;
    }
    if let Some(noisy) = noisy {
        seen.noisy = noisy.await?.0.len();
    }
    Ok(seen)
}

/// Asks so often a second on average, whether it is answered or not.
async fn asks(stack: Stack, ask: Ask, rate: f64, lasts: Duration) -> (Vec<Duration>, usize) {
    let seed = BuildHasherDefault::<DefaultHasher>::default().hash_one(ask.0.as_str());
    let (start, mut random, mut calls) = (Instant::now(), Random(seed), JoinSet::new());
    let mut due = start;
    while due < start + lasts {
        sleep_until(due).await;
        let (svc, since) = (stack.clone(), due);
        calls.spawn(async move { svc.oneshot(ask).await.ok().map(|()| since.elapsed()) });
        due += Duration::from_secs_f64(random.exponential() / rate);
    }
    let answers = calls.join_all().await;
    let took: Vec<_> = answers.iter().flatten().copied().collect();
    let refused = answers.len() - took.len();
    (took, refused)
}

/// Splitmix64.
struct Random(u64);

impl Random {
    /// Of mean 1.
    fn exponential(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let uniform = ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        -(1.0 - uniform).ln()
    }
}

fn millis(took: &[Duration], permille: usize) -> f64 {
    let took = took.get(took.len() * permille / 1_000);
    took.expect("somebody was served").as_secs_f64() * 1e3
}

fn at_most(slots: usize) -> NonZeroUsize {
    NonZeroUsize::new(slots).expect("more than none")
}
