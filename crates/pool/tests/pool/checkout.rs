//! Who gets a connection, and who does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep};
use towerblock_core::Reason;
use towerblock_fair::{FairSemaphore, Share};
use towerblock_pool::{Pool, Settings};

use crate::stub::Stub;
use crate::{pool, size, tenant};

const MILLI: Duration = Duration::from_millis(1);

/// Each task takes connections one after another, holds each for so long, and counts.
async fn gets(
    pool: Pool<Stub>,
    name: &'static str,
    tasks: usize,
    hold: Duration,
    end: Instant,
) -> Vec<usize> {
    let mut set = JoinSet::new();
    for _ in 0..tasks {
        let pool = pool.clone();
        set.spawn(async move {
            let tenant = tenant(name);
            let mut gets = 0;
            while Instant::now() < end {
                let connection = pool.get(&tenant).await.unwrap();
                sleep(hold).await;
                drop(connection);
                gets += 1;
            }
            gets
        });
    }
    set.join_all().await
}

#[tokio::test(start_paused = true)]
async fn five_hundred_tasks_get_twenty_connections_in_turn() {
    let pool = pool(&Stub::default(), 20, Settings::default());
    let end = Instant::now() + 2_000 * MILLI;
    let gets = gets(pool, "acme", 500, MILLI, end).await;
    let (least, most) = (gets.iter().min().unwrap(), gets.iter().max().unwrap());
    assert!(*least > 0 && most * 10 <= least * 12, "{least} to {most}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_one_tenant_costs_the_others_no_more_than_their_turn() {
    let stub = Stub::default();
    let shared = pool(&stub, 20, Settings::default());
    let end = Instant::now() + 2_000 * MILLI;
    let noisy = tokio::spawn(gets(shared.clone(), "noisy", 500, MILLI, end));
    let names = [
        "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9", "q10", "q11", "q12", "q13",
        "q14", "q15", "q16", "q17", "q18", "q19",
    ];
    let mut quiet = JoinSet::new();
    for name in names {
        let pool = shared.clone();
        quiet.spawn(async move {
            let tenant = tenant(name);
            let mut waits = Vec::new();
            while Instant::now() < end {
                let asked = Instant::now();
                let connection = pool.get(&tenant).await.unwrap();
                waits.push(asked.elapsed());
                sleep(MILLI).await;
                drop(connection);
                sleep(20 * MILLI).await;
            }
            waits
        });
    }
    let mut waits: Vec<_> = quiet.join_all().await.concat();
    waits.sort_unstable();
    let p99 = waits[waits.len() * 99 / 100];
    assert!(p99 <= 2 * MILLI, "{p99:?}");
    let beside: usize = noisy.await.unwrap().iter().sum();

    let end = Instant::now() + 2_000 * MILLI;
    let alone: usize = gets(shared, "noisy", 500, MILLI, end).await.iter().sum();
    assert!(beside * 100 >= alone * 85, "{beside} of {alone}");
}

#[tokio::test(start_paused = true)]
async fn who_gets_none_in_time_is_told_who_has_them() {
    let settings = Settings::default().acquire_timeout(100 * MILLI);
    let pool = pool(&Stub::default(), 2, settings);
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let _held = [
        pool.get(&acme).await.unwrap(),
        pool.get(&acme).await.unwrap(),
    ];
    let asked = Instant::now();
    let error = pool.get(&globex).await.unwrap_err();
    assert!(asked.elapsed() <= 100 * MILLI, "{:?}", asked.elapsed());
    let text = error.to_string();
    assert!(text.contains("2 used and 2 open of 2"), "{text}");
    assert!(
        text.contains("acme holds 2") && text.contains("checkout.rs"),
        "{text}"
    );
    assert_eq!(error.rejected().reason(), Reason::Overloaded);
    assert_eq!(pool.held().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_those_who_have_them_the_one_with_most_comes_first_with_its_longest() {
    let settings = Settings::default().acquire_timeout(10 * MILLI);
    let pool = pool(&Stub::default(), 3, settings);
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let _one = pool.get(&acme).await.unwrap();
    let _two = pool.get(&globex).await.unwrap();
    advance(60 * MILLI).await;
    let _three = pool.get(&globex).await.unwrap();
    advance(30 * MILLI).await;
    let text = pool.get(&acme).await.unwrap_err().to_string();
    let most = text.find("globex holds 2, one for 100.0ms");
    let fewer = text.find("acme holds 1, one for 100.0ms");
    assert!(most.is_some() && most < fewer, "{text}");
}

#[tokio::test(start_paused = true)]
async fn who_would_wait_too_long_for_a_full_pool_is_refused_at_once() {
    let settings = Settings::default().acquire_timeout(200 * MILLI);
    let pool = pool(&Stub::default(), 1, settings);
    let mut tasks = JoinSet::new();
    for at in [0, 1, 2, 3, 130, 131] {
        let pool = pool.clone();
        tasks.spawn(async move {
            sleep(at * MILLI).await;
            let held = pool.get(&tenant("acme")).await.unwrap();
            sleep(60 * MILLI).await;
            drop(held);
        });
    }
    // Three wait before it, 60 ms each.
    sleep(135 * MILLI).await;
    let asked = Instant::now();
    assert!(pool.get(&tenant("acme")).await.is_err());
    assert_eq!(asked.elapsed(), Duration::ZERO);
    tasks.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_tenant_has_the_connection_that_it_had_last_where_that_is_preferred() {
    for (looks, expected) in [(1, [2, 2, 2]), (2, [1, 2, 1]), (8, [1, 2, 1])] {
        let pool = pool(&Stub::default(), 2, Settings::default().prefer_own(looks));
        let (acme, globex) = (tenant("acme"), tenant("globex"));
        let (one, two) = (
            pool.get(&acme).await.unwrap(),
            pool.get(&globex).await.unwrap(),
        );
        assert_eq!((one.number, two.number), (1, 2));
        drop(one);
        drop(two);
        for (tenant, number) in [&acme, &globex, &acme].into_iter().zip(expected) {
            assert_eq!(
                pool.get(tenant).await.unwrap().number,
                number,
                "{looks} looks"
            );
        }
        let both = (
            pool.get(&acme).await.unwrap(),
            pool.get(&acme).await.unwrap(),
        );
        assert_ne!(both.0.number, both.1.number);
    }
}

#[tokio::test(start_paused = true)]
async fn taking_two_where_there_is_one_fails_and_does_not_hang() {
    let pool = pool(&Stub::default(), 1, Settings::default());
    let acme = tenant("acme");
    let outer = pool.get(&acme).await.unwrap();
    assert!(pool.get(&acme).await.is_err());
    drop(outer);
    assert!(pool.get(&acme).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_queue_a_cap_and_a_share_are_those_of_the_semaphore() {
    let slots = FairSemaphore::new(size(1))
        .queue(2, 100)
        .share_of(|tenant| match tenant.as_str() {
            "capped" => Share::default().at_most(1),
            _ => Share::default(),
        });
    let pool = Pool::start(Stub::default(), size(2), slots, Settings::default());
    let (capped, acme) = (tenant("capped"), tenant("acme"));
    let first = pool.get(&capped).await.unwrap();
    let mut second = Box::pin(pool.get(&capped));
    let early = towerblock_testkit::poll_times(1, second.as_mut()).await;
    assert!(early.is_none(), "{early:?}");
    let third = pool.get(&acme).await.unwrap();
    let _fourth = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get(&tenant("capped")).await.map(drop) }
    });
    tokio::task::yield_now().await;
    let refused = pool.get(&capped).await.unwrap_err();
    assert!(refused.is_over_share(), "{refused}");
    drop(first);
    let second = second.await.unwrap();
    drop((second, third));
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_not_handed_out_again_and_who_waits_gets_another() {
    let stub = Stub::default();
    let pool = pool(&stub, 1, Settings::default());
    let acme = tenant("acme");
    let mut first = pool.get(&acme).await.unwrap();
    assert_eq!(first.number, 1);
    first.is_broken = true;
    let waits = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get(&tenant("globex")).await.unwrap().number }
    });
    tokio::task::yield_now().await;
    drop(first);
    assert_eq!(waits.await.unwrap(), 2);
    assert_eq!((stub.open(), stub.count(|state| &state.most_open)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hung_connection_is_closed_after_one_test() {
    let stub = Stub::default();
    let pool = pool(&stub, 4, Settings::default());
    let acme = tenant("acme");
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(pool.get(&acme).await.unwrap());
    }
    all[0].hangs = true;
    drop(all);
    advance(501 * MILLI).await;
    let mut slowest = Duration::ZERO;
    let mut all = Vec::new();
    for _ in 0..4 {
        let asked = Instant::now();
        all.push(pool.get(&acme).await.unwrap());
        slowest = slowest.max(asked.elapsed());
    }
    assert!(
        (200 * MILLI..=210 * MILLI).contains(&slowest),
        "{slowest:?}"
    );
    assert_eq!(
        stub.count(|state| &state.opened),
        5,
        "one is gone, and another in its place"
    );
    assert!(all.iter().all(|connection| !connection.hangs));
    drop(all);
    // Who was used just now is not tested.
    let tested = stub.count(|state| &state.tested);
    drop(pool.get(&acme).await.unwrap());
    assert_eq!(stub.count(|state| &state.tested), tested);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_it_is_held_gives_it_back() {
    let pool = pool(&Stub::default(), 1, Settings::default());
    let panics = tokio::spawn({
        let pool = pool.clone();
        async move {
            let _held = pool.get(&tenant("acme")).await.unwrap();
            assert_eq!(1, 2, "as it may happen");
        }
    });
    assert!(panics.await.unwrap_err().is_panic());
    assert!(pool.get(&tenant("acme")).await.is_ok());
    assert!(pool.held().is_empty());
}

#[tokio::test]
async fn two_threads_never_have_more_than_there_may_be() {
    let stub = Stub::default();
    let pool = pool(&stub, 3, Settings::default());
    let out = Arc::new(AtomicUsize::new(0));
    let mut threads = Vec::new();
    for name in ["acme", "globex"] {
        let (pool, out) = (pool.clone(), Arc::clone(&out));
        threads.push(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            runtime.unwrap().block_on(async {
                let tenant = tenant(name);
                for _ in 0..2_000 {
                    let connection = pool.get(&tenant).await.unwrap();
                    assert!(out.fetch_add(1, Ordering::SeqCst) < 3);
                    tokio::task::yield_now().await;
                    out.fetch_sub(1, Ordering::SeqCst);
                    drop(connection);
                }
            });
        }));
    }
    while threads.iter().any(|thread| !thread.is_finished()) {
        sleep(MILLI).await;
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert!(stub.count(|state| &state.most_open) <= 3);
}

/// Compiles, or a caller's task breaks.
#[test]
fn auto_traits() {
    fn shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn movable<T: Send + 'static>(_: &T) {}
    shareable::<Pool<Stub>>();
    shareable::<Settings>();
    let _ = |pool: Pool<Stub>| movable(&async move { pool.get(&tenant("acme")).await.map(drop) });
}
