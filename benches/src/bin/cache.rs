//! What a hit costs beside moka's and quick_cache's, what a stampede costs, and whose entries a
//! tenant that scans pushes out.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

use std::convert::Infallible;
use std::env;
use std::fs;
use std::hint::black_box;
use std::pin::pin;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use towerblock_cache::{Cache, Hub, Policy, Settings};
use towerblock_core::{BoxError, Stats, TenantId, Value};

const ROUNDS: usize = 7;
const GETS: usize = 100_000;
const POLICY: Policy = Policy::ttl(Duration::from_secs(86_400));
const LOADED: &str = "a value of 64 bytes, more or less: that is what is often cached.";

fn main() -> Result<(), BoxError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()?;
    let _entered = runtime.enter();
    if let Some(subject) = env::args().nth(1) {
        return fill(&subject);
    }
    println!(
        "| a hit | 10 k keys, 1 thread | | 2 threads | | 1 M keys, 1 thread | | 2 threads | |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut columns = Vec::new();
    for keys in [10_000, 1_000_000] {
        let subjects = subjects(keys)?;
        columns.extend([medians(&subjects, 1), medians(&subjects, 2)]);
    }
    for (at, name) in NAMES.iter().enumerate() {
        let cells = columns.iter().map(|nanos| {
            let mine = nanos.get(at).expect("measured");
            let moka = nanos.first().expect("moka is the first");
            format!("{mine:.0} ns | {:.2} ×", mine / moka)
        });
        println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }

    let took = runtime.block_on(stampede())?;
    println!("\n10,000 waiters, one load: all answered {took:.1?} after it ended");

    println!("\n| | quiet alone | beside a scan of 10 × | of alone | Zipf, one tenant |");
    println!("|---|--:|--:|--:|--:|");
    for name in ["bare moka", "`Cache`"] {
        let ratio = |noise| runtime.block_on(beside(name, noise));
        let (alone, noisy) = (ratio(0)?, ratio(10)?);
        let zipf = runtime.block_on(zipf(name))?;
        println!(
            "| {name} | {:.1} % | {:.1} % | {:.1} % | {:.2} % |",
            100.0 * alone,
            100.0 * noisy,
            100.0 * noisy / alone,
            100.0 * zipf,
        );
    }

    println!("\n| 1,000,000 entries | bytes each |\n|---|--:|");
    for name in ["moka", "ours"] {
        let out = Command::new(env::current_exe()?).arg(name).output()?;
        print!("{}", String::from_utf8(out.stdout)?);
    }
    Ok(())
}

const NAMES: [&str; 4] = ["`moka::sync`", "quick_cache", "`get_or_load`", "`peek`"];

type Get = Box<dyn Fn(&str) + Send + Sync>;

struct Subject(Get, Arc<[String]>);

fn subjects(keys: usize) -> Result<Vec<Subject>, BoxError> {
    let names: Arc<[String]> = (0..keys).map(name).collect();
    let moka = moka::sync::Cache::new(2 * keys as u64);
    let quick = quick_cache::sync::Cache::new(2 * keys);
    let (hub, cache, acme) = ours(4 << 30)?;
    for name in &*names {
        moka.insert(name.clone(), Arc::new(LOADED.to_owned()));
        quick.insert(name.clone(), Arc::new(LOADED.to_owned()));
        now(cache.put(&acme, name, LOADED.to_owned()));
    }
    moka.run_pending_tasks();
    let get = move |key: &str| {
        black_box(moka.get(key).expect("it is there"));
    };
    let quick_get = move |key: &str| {
        black_box(quick.get(key).expect("it is there"));
    };
    let (peeked, owner) = (cache.clone(), acme.clone());
    let load = move |key: &str| {
        let _hub = &hub;
        let load = || async { Ok::<_, Infallible>(LOADED.to_owned()) };
        let hit = now(cache.get_or_load(&acme, key, load)).expect("no error");
        black_box(hit.expect("it is there"));
    };
    let peek = move |key: &str| {
        black_box(peeked.peek(&owner, key).expect("it is there"));
    };
    let subject = |get: Get| Subject(get, Arc::clone(&names));
    Ok(vec![
        subject(Box::new(get)),
        subject(Box::new(quick_get)),
        subject(Box::new(load)),
        subject(Box::new(peek)),
    ])
}

/// The subjects in turn, so that what else the machine does concerns all of them.
fn medians(subjects: &[Subject], threads: usize) -> Vec<f64> {
    let mut nanos = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for (subject, nanos) in subjects.iter().zip(&mut nanos) {
            nanos.push(time(subject, threads));
        }
    }
    let median = |mut nanos: Vec<f64>| {
        nanos.sort_by(f64::total_cmp);
        *nanos.get(nanos.len() / 2).expect("rounds")
    };
    nanos.into_iter().map(median).collect()
}

fn time(subject: &Subject, threads: usize) -> f64 {
    let barrier = Barrier::new(threads);
    let run = |seed: u64| {
        let mut random = Random(seed);
        barrier.wait();
        let begun = Instant::now();
        for _ in 0..GETS {
            let at = random.below(subject.1.len() as u64) as usize;
            (subject.0)(subject.1.get(at).expect("below"));
        }
        begun.elapsed().as_nanos() as f64 / GETS as f64
    };
    let sum: f64 = thread::scope(|scope| {
        let runs = (0..threads).map(|seed| scope.spawn(move || run(seed as u64 + 1)));
        let runs: Vec<_> = runs.collect();
        runs.into_iter().map(|run| run.join().expect("ran")).sum()
    });
    sum / threads as f64
}

async fn stampede() -> Result<Duration, BoxError> {
    let (_hub, cache, acme) = ours(64 << 20)?;
    let gate = Arc::new(Semaphore::new(0));
    let waiters = (0..10_000).map(|_| {
        let gate = Arc::clone(&gate);
        cache.get_or_load(&acme, "k", move || async move {
            gate.acquire().await.map(|_| LOADED.to_owned())
        })
    });
    let waiters: Vec<_> = waiters.map(tokio::spawn).collect();
    sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    gate.add_permits(1);
    for answer in join_all(waiters).await {
        answer??.expect("a value");
    }
    Ok(begun.elapsed())
}

const ROOM: u64 = 16 << 20;

enum Subjected {
    Moka(moka::sync::Cache<String, String>),
    Ours(Cache<String, String>),
}

impl Subjected {
    fn of(name: &str) -> Result<Self, BoxError> {
        let (hub, cache, acme) = ours(ROOM)?;
        if name == "`Cache`" {
            return Ok(Self::Ours(cache));
        }
        // As many entries as the other has room for.
        now(cache.put(&acme, "first", LOADED.to_owned()));
        now(cache.put(&acme, &self::name(1), LOADED.to_owned()));
        let first = bytes(&hub);
        now(cache.put(&acme, &self::name(2), LOADED.to_owned()));
        let each = (bytes(&hub) - first).max(1);
        Ok(Self::Moka(moka::sync::Cache::new(ROOM / each)))
    }

    /// Whether it was there; it is afterwards.
    async fn touch(&self, owner: &TenantId, key: u64) -> Result<bool, BoxError> {
        let key = name(key as usize);
        match self {
            Self::Moka(cache) => {
                let key = format!("{}{key}", owner.as_str());
                let hit = cache.get(&key).is_some();
                if !hit {
                    cache.insert(key, LOADED.to_owned());
                }
                Ok(hit)
            }
            Self::Ours(cache) => {
                let hit = cache.peek(owner, &key).is_some();
                if !hit {
                    cache.put(owner, &key, LOADED.to_owned()).await;
                }
                Ok(hit)
            }
        }
    }
}

/// The part of its lookups that hit, of a tenant whose keys take a third of the memory, beside so
/// many lookups of one that never comes back to a key.
async fn beside(name: &str, noise: u64) -> Result<f64, BoxError> {
    let subject = Subjected::of(name)?;
    let (quiet, noisy) = (TenantId::new("quiet")?, TenantId::new("noisy")?);
    let (mut random, mut scanned, mut hits) = (Random(7), 0, 0);
    for n in 0..200_000_u64 {
        let key = random.below(9_000);
        let hit = subject.touch(&quiet, key).await?;
        hits += u64::from(n >= 100_000 && hit);
        for _ in 0..noise {
            scanned += 1;
            subject.touch(&noisy, scanned).await?;
        }
    }
    Ok(hits as f64 / 100_000.0)
}

/// One tenant, ten times the keys that there is room for, the nth 1/n as often as the first.
async fn zipf(name: &str) -> Result<f64, BoxError> {
    let subject = Subjected::of(name)?;
    let tenant = TenantId::new("acme")?;
    let (mut random, mut hits) = (Random(7), 0);
    for n in 0..1_000_000_u64 {
        let key = 300_000_f64.powf(random.unit()) as u64;
        let hit = subject.touch(&tenant, key).await?;
        hits += u64::from(n >= 500_000 && hit);
    }
    Ok(hits as f64 / 500_000.0)
}

fn fill(subject: &str) -> Result<(), BoxError> {
    const MANY: usize = 1_000_000;
    let before = resident()?;
    let (name_of, counted) = match subject {
        "moka" => {
            let moka = moka::sync::Cache::new(2 * MANY as u64);
            for n in 0..MANY {
                moka.insert(name(n), Arc::new(LOADED.to_owned()));
            }
            moka.run_pending_tasks();
            let grown = (resident()? - before) / MANY as u64;
            println!("| `moka::sync`, by resident memory | {grown} |");
            return Ok(());
        }
        _ => {
            let (hub, cache, acme) = ours(4 << 30)?;
            for n in 0..MANY {
                now(cache.put(&acme, &name(n), LOADED.to_owned()));
            }
            let grown = (resident()? - before) / MANY as u64;
            (grown, bytes(&hub) / MANY as u64)
        }
    };
    println!("| `Cache`, by resident memory | {name_of} |");
    println!("| `Cache`, as it counts itself | {counted} |");
    Ok(())
}

fn resident() -> Result<u64, BoxError> {
    let pages = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = pages.split(' ').nth(1).ok_or("no resident size")?.parse()?;
    Ok(pages * 4_096)
}

type Ours = (Hub, Cache<String, String>, TenantId);

fn ours(bytes: u64) -> Result<Ours, BoxError> {
    let hub = Hub::start(Settings::memory(bytes))?;
    let cache = hub.cache("bench", POLICY)?;
    Ok((hub, cache, TenantId::new("acme")?))
}

fn bytes(hub: &Hub) -> u64 {
    let mut bytes = 0;
    hub.read(&mut |metric, _, value| {
        if let ("cache_bytes", Value::Level(level)) = (metric.name, value) {
            bytes = level as u64;
        }
    });
    bytes
}

/// 29 bytes.
fn name(n: usize) -> String {
    format!("profile-of-the-user-{n:09}")
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("it was in memory"),
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
