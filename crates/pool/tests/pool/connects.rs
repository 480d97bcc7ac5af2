//! When connections are opened, and what happens when they cannot be.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use towerblock_core::Reason;
use towerblock_pool::{Connects, Settings};
use towerblock_testkit::poll_times;

use crate::stub::Stub;
use crate::{pool, tenant};

const MILLI: Duration = Duration::from_millis(1);

/// Hikari's spike: 150 ms to connect, 2 ms of work, 50 callers at once.
#[tokio::test(start_paused = true)]
async fn a_spike_on_a_cold_pool_opens_few_connections() {
    let stub = Stub::default();
    stub.state.connect_millis.store(150, Ordering::SeqCst);
    let pool = pool(&stub, 50, Settings::default());
    let callers = (0..50).map(|_| async {
        let connection = pool.get(&tenant("acme")).await.unwrap();
        sleep(2 * MILLI).await;
        drop(connection);
    });
    join_all(callers).await;
    sleep(Duration::from_secs(1)).await;
    assert!(stub.open() <= 5, "{}", stub.open());
    assert!(stub.count(|state| &state.most_connecting) <= 2);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_a_thousand_connects_two_at_a_time_and_no_more_than_it_may() {
    let stub = Stub::default();
    stub.state.connect_millis.store(5, Ordering::SeqCst);
    let pool = pool(&stub, 20, Settings::default());
    let callers = (0..1_000).map(|_| async {
        let connection = pool.get(&tenant("acme")).await.unwrap();
        sleep(5 * MILLI).await;
        drop(connection);
    });
    join_all(callers).await;
    assert_eq!(stub.count(|state| &state.most_connecting), 2);
    assert!(stub.count(|state| &state.most_open) <= 20);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_is_told_of_at_once_and_found_again_by_itself() {
    let stub = Stub::default();
    stub.state.refuses.store(true, Ordering::SeqCst);
    let pool = pool(&stub, 2, Settings::default());
    let acme = tenant("acme");
    let asked = Instant::now();
    let error = pool.get(&acme).await.unwrap_err();
    assert_eq!(asked.elapsed(), Duration::ZERO, "as soon as it is known");
    assert_eq!(error.rejected().reason(), Reason::Unavailable);
    // Known by now: nobody waits for it.
    for _ in 0..100 {
        let asked = Instant::now();
        let error = pool.get(&acme).await.unwrap_err();
        assert_eq!(asked.elapsed(), Duration::ZERO);
        assert_eq!(error.rejected().reason(), Reason::Unavailable);
        assert!(error.to_string().contains("connection refused"), "{error}");
    }
    assert_eq!(pool.last_error().as_deref(), Some("\"connection refused\""));
    stub.state.refuses.store(false, Ordering::SeqCst);
    sleep(Duration::from_millis(1_100)).await;
    assert!(pool.get(&acme).await.is_ok());
    assert_eq!(pool.last_error(), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_more_leaves_those_it_took_to_all_in_turn() {
    let stub = Stub::default();
    let pool = pool(&stub, 20, Settings::default());
    let acme = tenant("acme");
    let first = pool.get(&acme).await.unwrap();
    stub.state.refuses.store(true, Ordering::SeqCst);
    let others = (0..10).map(|n| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let got = pool.get(&tenant("acme")).await.unwrap();
            let order = (n, got.number);
            sleep(MILLI).await;
            order
        })
    });
    let others: Vec<_> = others.collect();
    sleep(100 * MILLI).await;
    drop(first);
    let mut order = Vec::new();
    for other in others {
        order.push(other.await.unwrap());
    }
    let expected: Vec<_> = (0..10).map(|n| (n, 1)).collect();
    assert_eq!(order, expected);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_given_up_after_the_time_that_was_set() {
    let stub = Stub::default();
    stub.state.hangs.store(true, Ordering::SeqCst);
    let mut connects = Connects::default();
    connects.timeout = 300 * MILLI;
    let settings = Settings::default().connects(connects);
    let pool = pool(&stub, 2, settings);
    let acme = tenant("acme");
    let error = pool.get(&acme).await.unwrap_err();
    assert!(
        error.to_string().contains("deadline has elapsed"),
        "{error}"
    );
    assert!(stub.count(|state| &state.most_connecting) <= 2);
    stub.state.hangs.store(false, Ordering::SeqCst);
    sleep(2_000 * MILLI).await;
    assert!(pool.get(&acme).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_waiting_was_like_once_keeps_nobody_from_growth() {
    let stub = Stub::default();
    stub.state.connect_millis.store(5, Ordering::SeqCst);
    let pool = pool(&stub, 20, Settings::default());
    let acme = tenant("acme");
    // Two are open, and one of those who wait for them waits long.
    pool.resize(crate::size(2));
    let held = [
        pool.get(&acme).await.unwrap(),
        pool.get(&acme).await.unwrap(),
    ];
    let waits = tokio::spawn({
        let pool = pool.clone();
        async move { drop(pool.get(&tenant("acme")).await.unwrap()) }
    });
    sleep(900 * MILLI).await;
    drop(held);
    waits.await.unwrap();
    pool.resize(crate::size(20));
    let callers = (0..20).map(|_| async {
        let connection = pool.get(&tenant("acme")).await.unwrap();
        sleep(5 * MILLI).await;
        drop(connection);
    });
    join_all(callers).await;
}

#[tokio::test(start_paused = true)]
async fn where_nobody_may_wait_it_grows_all_the_same() {
    let stub = Stub::default();
    let slots = towerblock_fair::FairSemaphore::new(crate::size(1)).queue(0, 0);
    let pool =
        towerblock_pool::Pool::start(stub.clone(), crate::size(3), slots, Settings::default());
    let acme = tenant("acme");
    let mut held = Vec::new();
    for _ in 0..100 {
        if let Ok(connection) = pool.get(&acme).await {
            held.push(connection);
        }
        sleep(MILLI).await;
    }
    assert_eq!((held.len(), stub.open()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn who_may_have_no_more_makes_it_open_no_more() {
    let stub = Stub::default();
    let slots = towerblock_fair::FairSemaphore::new(crate::size(1));
    let slots = slots.share_of(|_| towerblock_fair::Share::default().at_most(1));
    let pool =
        towerblock_pool::Pool::start(stub.clone(), crate::size(20), slots, Settings::default());
    let acme = tenant("acme");
    let held = pool.get(&acme).await.unwrap();
    let waits = tokio::spawn({
        let pool = pool.clone();
        async move { drop(pool.get(&tenant("acme")).await.unwrap()) }
    });
    sleep(1_500 * MILLI).await;
    assert!(stub.open() <= 2, "{}", stub.open());
    let refused = pool.get(&acme).await.unwrap_err();
    assert!(refused.is_over_share(), "{refused}");
    drop(held);
    let _ = waits.await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_to_a_slot_late_closes_nothing_that_works() {
    let stub = Stub::default();
    let slots = towerblock_fair::FairSemaphore::new(crate::size(1));
    let slots = slots.share_of(|tenant| match tenant.as_str() {
        "capped" => towerblock_fair::Share::default().at_most(1),
        _ => towerblock_fair::Share::default(),
    });
    let pool =
        towerblock_pool::Pool::start(stub.clone(), crate::size(10), slots, Settings::default());
    let mut all = Vec::new();
    for _ in 0..9 {
        all.push(pool.get(&tenant("acme")).await.unwrap());
    }
    let capped = pool.get(&tenant("capped")).await.unwrap();
    drop(all);
    let late = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get(&tenant("capped")).await.map(drop) }
    });
    stub.state.test_millis.store(20, Ordering::SeqCst);
    sleep(1_990 * MILLI).await;
    drop(capped);
    let _ = late.await.unwrap();
    assert_eq!(stub.open(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_stall_an_hour_ago_refuses_nobody() {
    let pool = pool(&Stub::default(), 1, Settings::default());
    let acme = tenant("acme");
    let held = pool.get(&acme).await.unwrap();
    for _ in 0..3 {
        assert!(pool.get(&acme).await.is_err());
    }
    let last = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get(&tenant("acme")).await.map(drop) }
    });
    sleep(1_900 * MILLI).await;
    drop(held);
    last.await.unwrap().unwrap();
    sleep(Duration::from_secs(3_600)).await;
    for _ in 0..100 {
        let held = pool.get(&acme).await.unwrap();
        let next = tokio::spawn({
            let pool = pool.clone();
            async move { pool.get(&tenant("globex")).await.map(drop) }
        });
        sleep(MILLI).await;
        drop(held);
        next.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn no_time_that_can_be_set_panics() {
    for time in [Duration::ZERO, Duration::MAX] {
        let mut connects = Connects::default();
        connects.timeout = time;
        let settings = Settings::default().acquire_timeout(time).connects(connects);
        let mut validation = towerblock_pool::Validation::default();
        (validation.bypass, validation.timeout) = (time, time);
        let pool = pool(&Stub::default(), 1, settings.validation(validation));
        let _ = poll_times(1, pool.get(&tenant("acme"))).await;
        sleep(MILLI).await;
        let _ = poll_times(1, pool.get(&tenant("acme"))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_will_not_wait_gets_what_is_free() {
    let settings = Settings::default().acquire_timeout(Duration::ZERO);
    let pool = pool(&Stub::default(), 1, settings.min_idle(1));
    sleep(MILLI).await;
    let acme = tenant("acme");
    let held = pool.get(&acme).await.unwrap();
    assert!(pool.get(&acme).await.is_err());
    drop(held);
    assert!(pool.get(&acme).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_will_not_wait_is_refused_where_a_connection_must_be_tested() {
    let settings = Settings::default().acquire_timeout(Duration::ZERO);
    let stub = Stub::default();
    let pool = pool(&stub, 1, settings.min_idle(1));
    sleep(600 * MILLI).await;
    let refused = poll_times(50, pool.get(&tenant("acme"))).await;
    assert!(refused.expect("refused at once").is_err());
    assert_eq!((stub.open(), stub.count(|state| &state.tested)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_finds_a_dead_connection_is_still_before_those_who_came_later() {
    let stub = Stub::default();
    let pool = pool(&stub, 2, Settings::default());
    let acme = tenant("acme");
    let first = pool.get(&acme).await.unwrap();
    let second = pool.get(&acme).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    for n in 0..3 {
        let (pool, acme, order) = (pool.clone(), acme.clone(), Arc::clone(&order));
        tokio::spawn(async move {
            let got = pool.get(&acme).await.unwrap();
            assert_eq!(got.number, 2, "the other is broken");
            order.lock().unwrap().push(n);
            sleep(MILLI).await;
            drop(got);
        });
        yield_now().await;
    }
    stub.state.connect_millis.store(50, Ordering::SeqCst);
    let number = first.number;
    drop(first);
    // It breaks once it is back: whoever was handed its slot finds that out.
    stub.state.breaks.store(number, Ordering::SeqCst);

    sleep(10 * MILLI).await;
    drop(second);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_first_connection_in_vain_is_told_that_there_is_none() {
    let stub = Stub::default();
    stub.state.hangs.store(true, Ordering::SeqCst);
    let pool = pool(&stub, 2, Settings::default().acquire_timeout(50 * MILLI));
    let error = pool.get(&tenant("acme")).await.unwrap_err();
    assert_eq!(error.rejected().reason(), Reason::Unavailable, "{error}");
}

#[tokio::test(start_paused = true)]
async fn after_a_long_outage_it_connects_within_a_second() {
    let stub = Stub::default();
    stub.state.refuses.store(true, Ordering::SeqCst);
    let pool = pool(&stub, 1, Settings::default());
    assert!(pool.get(&tenant("acme")).await.is_err());
    sleep(Duration::from_secs(600)).await;
    stub.state.refuses.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(stub.open(), 1);
}

#[tokio::test(start_paused = true)]
async fn some_are_kept_open_ahead() {
    let stub = Stub::default();
    let _pool = pool(&stub, 10, Settings::default().min_idle(3));
    sleep(10 * MILLI).await;
    assert_eq!(stub.open(), 3);
}

#[tokio::test(start_paused = true)]
async fn all_that_it_began_ends_with_the_pool() {
    let stub = Stub::default();
    let pool = pool(&stub, 10, Settings::default().min_idle(2));
    sleep(10 * MILLI).await;
    stub.state.connect_millis.store(1_000, Ordering::SeqCst);
    let acme = tenant("acme");
    let held = [
        pool.get(&acme).await.unwrap(),
        pool.get(&acme).await.unwrap(),
    ];
    assert!(poll_times(1, pool.get(&acme)).await.is_none());
    sleep(10 * MILLI).await;
    let mut waits = Box::pin(pool.get(&acme));
    assert!(poll_times(1, waits.as_mut()).await.is_none());
    sleep(10 * MILLI).await;
    assert_eq!(stub.count(|state| &state.connecting), 1);
    drop(waits);
    drop(held);
    drop(pool);
    sleep(10 * MILLI).await;
    assert_eq!((stub.open(), stub.count(|state| &state.connecting)), (0, 0));
}
