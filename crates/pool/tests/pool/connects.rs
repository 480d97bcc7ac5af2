//! When connections are opened, and what happens when they cannot be.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use towerblock_core::Reason;
use towerblock_pool::Settings;

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
    let settings = Settings::default().connect_timeout(300 * MILLI);
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
    assert!(
        towerblock_testkit::poll_times(1, pool.get(&acme))
            .await
            .is_none()
    );
    sleep(10 * MILLI).await;
    let mut waits = Box::pin(pool.get(&acme));
    assert!(
        towerblock_testkit::poll_times(1, waits.as_mut())
            .await
            .is_none()
    );
    sleep(10 * MILLI).await;
    assert_eq!(stub.count(|state| &state.connecting), 1);
    drop(waits);
    drop(held);
    drop(pool);
    sleep(10 * MILLI).await;
    assert_eq!((stub.open(), stub.count(|state| &state.connecting)), (0, 0));
}
