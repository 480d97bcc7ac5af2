//! What a slot costs, beside a tokio `Semaphore`, and who gets one: 500 tasks on 20 slots, and
//! a noisy tenant beside quiet ones.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use towerblock_core::{BoxError, TenantId};
use towerblock_fair::{FairLimit, FairSemaphore, Share};

const SLOTS: usize = 20;
const SERVICE: Duration = Duration::from_millis(2);
const RUN: Duration = Duration::from_secs(3);

fn main() -> Result<(), BoxError> {
    println!("| one slot taken and given back | one thread | | two threads, one tenant | |");
    println!("|---|--:|--:|--:|--:|");
    let subjects = subjects()?;
    let (alone, together) = (medians(&subjects, 1), medians(&subjects, 2));
    let first = |nanos: &[f64]| nanos.first().copied().expect("there are subjects");
    for ((subject, one), two) in subjects.iter().zip(&alone).zip(&together) {
        let (of_one, of_two) = (one / first(&alone), two / first(&together));
        let name = subject.name;
        println!("| {name} | {one:.1} ns | {of_one:.2} × | {two:.0} ns | {of_two:.2} × |");
    }

    println!("\n| 500 tasks, 20 slots of 2 ms | most : least | wait p50 | p99 | p99.9 | slots/s |");
    println!("|---|--:|--:|--:|--:|--:|");
    for shared in [Shared::fifo(), Shared::fair()] {
        let flood = runtime()?.block_on(flood(shared.clone(), TenantId::new("a")?));
        let (least, most) = (flood.gets.iter().min(), flood.gets.iter().max());
        let (least, most) = least.zip(most).expect("there are tasks");
        print!(
            "| {} | {:.2} |",
            shared.name(),
            f64::from(*most) / f64::from(*least)
        );
        println!(
            "{} {:.0} |",
            quantiles(flood.waits),
            per_second(&flood.gets)
        );
    }

    println!(
        "\n| 20 quiet tenants beside one with 500 tasks | wait p50 | p99 | p99.9 | p99 in service times | noisy slots/s | of what it gets alone |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for shared in [Shared::fifo(), Shared::fair()] {
        let noisy = TenantId::new("noisy")?;
        let alone = runtime()?.block_on(flood(shared.clone(), noisy.clone()));
        let (mut waits, beside) = runtime()?.block_on(neighbours(shared.clone(), noisy))?;
        let (alone, beside) = (per_second(&alone.gets), per_second(&beside.gets));
        // With so many waiting no slot is ever free.
        let service = SLOTS as f64 / alone;
        let p99 = quantile(&mut waits, 990).as_secs_f64() / service;
        print!("| {} |{} {p99:.2} |", shared.name(), quantiles(waits));
        println!(" {beside:.0} | {:.0} % |", beside / alone * 100.0);
    }
    Ok(())
}

struct Subject {
    name: &'static str,
    /// Takes a slot and gives it back, so many times.
    run: Box<dyn Fn(usize) + Send + Sync>,
}

fn subject(name: &'static str, once: impl Fn() + Send + Sync + 'static) -> Subject {
    let run = Box::new(move |times| (0..times).for_each(|_| once()));
    Subject { name, run }
}

fn subjects() -> Result<Vec<Subject>, BoxError> {
    let slots = || FairSemaphore::new(at_most(SLOTS));
    let tenant = TenantId::new("acme")?;
    let tokio = [(); 2].map(|()| Arc::new(Semaphore::new(SLOTS)));
    let [tokio_waits, tokio_tries] = tokio;
    let tenants = [(); 4].map(|()| tenant.clone());
    let [of_plain, of_tries, of_shares, of_limit] = tenants;
    let (plain, tries) = (slots(), slots());
    let shares = slots().share_of(|_| Share::weight(2).at_most(10));
    let limit = FairLimit::new(at_most(1_000));
    Ok(vec![
        subject("tokio `Semaphore`, `acquire_owned`", move || {
            let permit = Arc::clone(&tokio_waits).acquire_owned().now_or_never();
            drop(black_box(permit.expect("free").expect("open")));
        }),
        subject("tokio `Semaphore`, `try_acquire_owned`", move || {
            let permit = Arc::clone(&tokio_tries).try_acquire_owned();
            drop(black_box(permit.expect("free")));
        }),
        subject("`FairSemaphore`, `acquire`", move || {
            let slot = plain.acquire(&of_plain).now_or_never();
            drop(black_box(slot.expect("free").expect("open")));
        }),
        subject("`FairSemaphore`, `try_acquire`", move || {
            drop(black_box(tries.try_acquire(&of_tries).expect("free")));
        }),
        subject("`FairSemaphore` with shares, `acquire`", move || {
            let slot = shares.acquire(&of_shares).now_or_never();
            drop(black_box(slot.expect("free").expect("open")));
        }),
        subject("`FairLimit`, `admit`", move || {
            drop(black_box(limit.admit(&of_limit).expect("room")));
        }),
    ])
}

/// Nanoseconds for each subject and thread: medians of rounds in which all had their turn.
fn medians(subjects: &[Subject], threads: usize) -> Vec<f64> {
    // Threads take their time to start: they must go on for longer than that.
    let (times, rounds) = if threads == 1 {
        (2_000, 2_000)
    } else {
        (200_000, 41)
    };
    let mut nanos = vec![Vec::new(); subjects.len()];
    for _ in 0..rounds {
        for (subject, nanos) in subjects.iter().zip(&mut nanos) {
            let took = if threads == 1 {
                timed(subject, times)
            } else {
                at_once(subject, times, threads)
            };
            #[expect(clippy::cast_precision_loss, reason = "not many")]
            nanos.push(took.as_secs_f64() * 1e9 / times as f64);
        }
    }
    nanos.into_iter().map(middle).collect()
}

fn timed(subject: &Subject, times: usize) -> Duration {
    let start = Instant::now();
    (subject.run)(times);
    start.elapsed()
}

/// The longest of the threads.
fn at_once(subject: &Subject, times: usize, threads: usize) -> Duration {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let run = || {
            start.wait();
            timed(subject, times)
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

/// What the tasks share.
#[derive(Clone)]
enum Shared {
    Fifo(Arc<Semaphore>),
    Fair(FairSemaphore),
}

impl Shared {
    fn fifo() -> Self {
        Self::Fifo(Arc::new(Semaphore::new(SLOTS)))
    }

    fn fair() -> Self {
        Self::Fair(FairSemaphore::new(at_most(SLOTS)))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Fifo(_) => "tokio `Semaphore`",
            Self::Fair(_) => "`FairSemaphore`",
        }
    }

    /// Has a slot for a while, and says how long that took to get.
    async fn use_one(&self, tenant: &TenantId) -> Duration {
        let since = Instant::now();
        match self {
            Self::Fifo(slots) => {
                let _slot = slots.acquire().await.expect("open");
                let waited = since.elapsed();
                sleep(SERVICE).await;
                waited
            }
            Self::Fair(slots) => {
                let _slot = slots.acquire(tenant).await.expect("room in the queue");
                let waited = since.elapsed();
                sleep(SERVICE).await;
                waited
            }
        }
    }
}

struct Flood {
    /// How often each task had a slot.
    gets: Vec<u32>,
    waits: Vec<Duration>,
}

async fn flood(shared: Shared, tenant: TenantId) -> Flood {
    let mut tasks = JoinSet::new();
    for _ in 0..500 {
        let (shared, tenant) = (shared.clone(), tenant.clone());
        tasks.spawn(async move {
            let (start, mut waits) = (Instant::now(), Vec::new());
            while start.elapsed() < RUN {
                waits.push(shared.use_one(&tenant).await);
            }
            waits
        });
    }
    let waits = tasks.join_all().await;
    let count = |waits: &Vec<_>| u32::try_from(waits.len()).unwrap_or(u32::MAX);
    Flood {
        gets: waits.iter().map(count).collect(),
        waits: waits.into_iter().flatten().collect(),
    }
}

/// Quiet tenants with a task each, which has a slot some ten times a second.
async fn neighbours(shared: Shared, noisy: TenantId) -> Result<(Vec<Duration>, Flood), BoxError> {
    let mut quiet = JoinSet::new();
    for n in 0..20_u64 {
        let (shared, tenant) = (shared.clone(), TenantId::new(format!("quiet-{n}"))?);
        quiet.spawn(async move {
            let (start, mut waits, mut random) = (Instant::now(), Vec::new(), n + 1);
            while start.elapsed() < RUN {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                sleep(Duration::from_millis(20 + (random >> 33) % 120)).await;
                waits.push(shared.use_one(&tenant).await);
            }
            waits
        });
    }
    let flood = flood(shared, noisy).await;
    let waits = quiet.join_all().await.into_iter().flatten().collect();
    Ok((waits, flood))
}

fn quantiles(mut waits: Vec<Duration>) -> String {
    [500, 990, 999]
        .map(|permille| {
            let millis = quantile(&mut waits, permille).as_secs_f64() * 1e3;
            format!(" {millis:.1} ms |")
        })
        .concat()
}

fn quantile(waits: &mut [Duration], permille: usize) -> Duration {
    waits.sort_unstable();
    let wait = waits.get(waits.len() * permille / 1_000);
    *wait.expect("somebody waited")
}

fn per_second(gets: &[u32]) -> f64 {
    f64::from(gets.iter().sum::<u32>()) / RUN.as_secs_f64()
}

fn runtime() -> Result<Runtime, BoxError> {
    Ok(Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()?)
}

fn at_most(slots: usize) -> NonZeroUsize {
    NonZeroUsize::new(slots).expect("more than none")
}
