//! What a pool does with connections over time: it closes them, has fewer, has none.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{advance, sleep};
use towerblock_core::{Reason, Stats, Value};
use towerblock_pool::{Aging, Pool, Settings};

use crate::stub::Stub;
use crate::{pool, size, tenant};

const SECOND: Duration = Duration::from_secs(1);

async fn opened(pool: &Pool<Stub>, connections: usize) {
    let acme = tenant("acme");
    let mut all = Vec::new();
    for _ in 0..connections {
        all.push(pool.get(&acme).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_uses_is_closed_but_for_what_is_kept() {
    let stub = Stub::default();
    let mut aging = Aging::default();
    aging.idle_timeout = 10 * SECOND;
    let pool = pool(&stub, 10, Settings::default().aging(aging).min_idle(2));
    opened(&pool, 6).await;
    sleep(9 * SECOND).await;
    assert_eq!(stub.open(), 6);
    sleep(3 * SECOND).await;
    assert_eq!(stub.open(), 2);
    let opened = stub.count(|state| &state.opened);
    sleep(60 * SECOND).await;
    assert_eq!(
        stub.count(|state| &state.opened),
        opened,
        "kept, and not opened anew"
    );
}

#[tokio::test(start_paused = true)]
async fn a_few_calls_do_not_keep_all_of_a_burst_open() {
    let stub = Stub::default();
    let mut aging = Aging::default();
    aging.idle_timeout = 10 * SECOND;
    let pool = pool(&stub, 10, Settings::default().aging(aging));
    opened(&pool, 6).await;
    for _ in 0..60 {
        drop(pool.get(&tenant("acme")).await.unwrap());
        sleep(SECOND / 3).await;
    }
    assert_eq!(stub.open(), 1);
    assert_eq!(
        stub.count(|state| &state.tested),
        0,
        "the one in use is warm"
    );
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_panics_stops_nothing() {
    let stub = Stub::default();
    let pool = pool(&stub, 2, Settings::default());
    opened(&pool, 2).await;
    stub.state.panics.store(1, Ordering::SeqCst);
    sleep(3 * SECOND).await;
    assert_eq!(stub.count(|state| &state.panics), 0, "it did");
    opened(&pool, 2).await;
}

#[tokio::test(start_paused = true)]
async fn dropped_with_connections_out_it_closes_each_as_it_comes_back() {
    let stub = Stub::default();
    let pool = pool(&stub, 2, Settings::default());
    let acme = tenant("acme");
    let (first, second) = (
        pool.get(&acme).await.unwrap(),
        pool.get(&acme).await.unwrap(),
    );
    drop(pool);
    drop(first);
    assert_eq!(stub.open(), 1);
    drop(second);
    assert_eq!(stub.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_old_is_closed_when_it_comes_back() {
    let stub = Stub::default();
    let mut aging = Aging::default();
    aging.max_lifetime = 100 * SECOND;
    let pool = pool(&stub, 1, Settings::default().aging(aging));
    let acme = tenant("acme");
    let held = pool.get(&acme).await.unwrap();
    advance(126 * SECOND).await;
    drop(held);
    assert_eq!(stub.open(), 0);
    assert_eq!(pool.get(&acme).await.unwrap().number, 2);
    // And when it lies idle.
    advance(126 * SECOND).await;
    sleep(2 * SECOND).await;
    assert_eq!(stub.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn it_can_be_made_smaller_and_larger_while_it_is_used() {
    let stub = Stub::default();
    let pool = pool(&stub, 8, Settings::default());
    let acme = tenant("acme");
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(pool.get(&acme).await.unwrap());
    }
    held.truncate(4);
    assert_eq!(stub.open(), 6);
    pool.resize(size(3));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(stub.open(), 4, "the idle ones");
    held.truncate(1);
    assert_eq!(stub.open(), 3, "and others as they come back");
    held.clear();
    opened(&pool, 3).await;
    pool.resize(size(5));
    opened(&pool, 5).await;
    assert_eq!(stub.open(), 5);
}

#[tokio::test(start_paused = true)]
async fn drained_it_hands_out_none_and_waits_for_those_that_are_out() {
    let stub = Stub::default();
    let pool = pool(&stub, 3, Settings::default());
    let acme = tenant("acme");
    opened(&pool, 3).await;
    let held = pool.get(&acme).await.unwrap();
    let late = pool.get(&acme).await.unwrap();
    let third = pool.get(&acme).await.unwrap();
    let waits = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get(&tenant("globex")).await.map(drop) }
    });
    tokio::task::yield_now().await;
    let ends = tokio::spawn(async move {
        sleep(SECOND).await;
        drop((held, third));
    });
    assert_eq!(pool.drain(5 * SECOND).await, 1);
    ends.await.unwrap();
    let refused = waits.await.unwrap().unwrap_err();
    assert_eq!(refused.rejected().reason(), Reason::Draining);
    let refused = pool.get(&acme).await.unwrap_err();
    assert_eq!(refused.rejected().reason(), Reason::Draining);
    drop(late);
    assert_eq!(stub.open(), 0);
    assert_eq!(pool.drain(5 * SECOND).await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_numbers_tell_what_is_open_and_what_happened() {
    let stub = Stub::default();
    let pool = pool(&stub, 2, Settings::default());
    let acme = tenant("acme");
    let first = pool.get(&acme).await.unwrap();
    let second = pool.get(&acme).await.unwrap();
    assert!(pool.get(&acme).await.is_err());
    drop(second);
    let status = pool.status();
    let numbers = (status.size, status.open, status.used, status.waiting);
    assert_eq!(numbers, (2, 2, 1, 0));
    let mut seen = Vec::new();
    pool.read(&mut |metric, label, value| {
        assert!(pool.describe().contains(metric));
        seen.push(format!("{} {label} {value:?}", metric.name));
    });
    for line in [
        "pool_connections used Level(1.0)",
        "pool_connections idle Level(1.0)",
        "pool_size  Level(2.0)",
        "pool_waiting  Level(0.0)",
        "pool_connects opened Count(2)",
        "pool_refused  Count(1)",
    ] {
        assert!(seen.iter().any(|seen| seen == line), "{line} in {seen:?}");
    }
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn what_grew_too_old_while_it_was_idle_is_not_handed_out() {
    let stub = Stub::default();
    let mut aging = Aging::default();
    aging.max_lifetime = SECOND / 4;
    let pool = pool(&stub, 1, Settings::default().aging(aging));
    sleep(SECOND / 10).await;
    opened(&pool, 1).await;
    // Nobody looked at it meanwhile.
    sleep(SECOND / 2).await;
    assert_eq!(pool.get(&tenant("acme")).await.unwrap().number, 2);
}

#[tokio::test(start_paused = true)]
async fn what_passed_its_test_is_kept_and_what_did_not_is_counted() {
    let stub = Stub::default();
    let pool = pool(&stub, 1, Settings::default());
    let acme = tenant("acme");
    for _ in 0..3 {
        assert_eq!(pool.get(&acme).await.unwrap().number, 1);
        sleep(SECOND).await;
    }
    assert_eq!(stub.count(|state| &state.tested), 2);
    pool.get(&acme).await.unwrap().hangs = true;
    sleep(SECOND).await;
    assert_eq!(pool.get(&acme).await.unwrap().number, 2);
    let mut evicted = None;
    pool.read(&mut |metric, _, value| {
        if metric.name == "pool_evicted" {
            evicted = Some(value);
        }
    });
    assert!(matches!(evicted, Some(Value::Count(1))), "{evicted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_panics_is_counted_and_survived() {
    let stub = Stub::default();
    let pool = pool(&stub, 1, Settings::default());
    opened(&pool, 1).await;
    stub.state.panics.store(1, Ordering::SeqCst);
    sleep(3 * SECOND).await;
    let mut failed = None;
    pool.read(&mut |metric, outcome, value| {
        if (metric.name, outcome) == ("pool_connects", "failed") {
            failed = Some(value);
        }
    });
    assert!(matches!(failed, Some(Value::Count(1))), "{failed:?}");
    opened(&pool, 1).await;
}
