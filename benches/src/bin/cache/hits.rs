use std::convert::Infallible;
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use towerblock_core::BoxError;

use crate::support::{LOADED, Random, name, now, ours};

const ROUNDS: usize = 15;
const GETS: usize = 400_000;
const NAMES: [&str; 4] = ["`moka::sync`", "quick_cache", "`get_or_load`", "`peek`"];

/// What a hit costs, among few keys and many, in one thread and two.
pub(crate) fn print() -> Result<(), BoxError> {
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
    Ok(())
}

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

pub(crate) async fn stampede() -> Result<Duration, BoxError> {
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
