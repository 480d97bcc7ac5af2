//! Callers that leave, at any moment.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{advance, sleep};
use towerblock_core::{Stats, Value};
use towerblock_pool::{Pool, Settings, Validation};
use towerblock_testkit::poll_times;

use crate::stub::Stub;
use crate::{pool, size, tenant};

const TENANTS: [&str; 3] = ["acme", "globex", "initech"];

fn waiting(pool: &Pool<Stub>) -> f64 {
    let mut waiting = -1.0;
    pool.read(&mut |metric, _, value| {
        if let ("pool_waiting", Value::Level(level)) = (metric.name, value) {
            waiting = level;
        }
    });
    waiting
}

/// xorshift64: the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_checkouts_dropped_at_any_poll_leave_nothing_behind() {
    let stub = Stub::default();
    let pool = pool(&stub, 4, Settings::default());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut held = Vec::new();
    for _ in 0..10_000 {
        let tenant = tenant(TENANTS[random.below(3)]);
        match poll_times(random.below(6), pool.get(&tenant)).await {
            Some(Ok(connection)) => held.push(connection),
            // All are out, and nobody gives one back in time.
            Some(Err(error)) => assert_eq!(held.len(), 4, "{error}"),
            None => {}
        }
        // Sometimes all is given back, and sometimes one; some are old enough to be tested.
        match random.below(8) {
            0 => held.clear(),
            1 => drop(held.pop()),
            2 => advance(Duration::from_millis(600)).await,
            3 => tokio::task::yield_now().await,
            _ => {}
        }
    }
    drop(held);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(waiting(&pool), 0.0);
    assert!(pool.held().is_empty());
    assert!(stub.count(|state| &state.most_open) <= 4);
    // All that there may be can be had.
    let acme = tenant("acme");
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(pool.get(&acme).await.unwrap());
    }
}

/// On real threads: connections break, age and are resized away while callers come and go.
#[test]
fn threads_that_leave_at_any_time_lose_no_connection() {
    let stub = Stub::default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    let mut validation = Validation::default();
    validation.bypass = Duration::from_micros(100);
    validation.timeout = Duration::from_secs(1);
    runtime.block_on(async {
        let pool = pool(&stub, 8, Settings::default().validation(validation));
        let callers = (1..33_u64).map(|seed| tokio::spawn(come_and_go(pool.clone(), seed)));
        let callers: Vec<_> = callers.collect();
        for n in 0..50 {
            pool.resize(size(if n % 2 == 0 { 3 } else { 8 }));
            stub.state
                .breaks
                .store(stub.count(|state| &state.opened), Ordering::SeqCst);
            sleep(Duration::from_millis(2)).await;
        }
        pool.resize(size(8));
        let mut served = 0;
        for caller in callers {
            served += caller.await.unwrap();
        }
        assert!(served > 1_000, "{served}");
        assert!(stub.count(|state| &state.most_open) <= 8);
        assert_eq!((pool.status().used, pool.status().waiting), (0, 0));
        let acme = tenant("acme");
        let mut all = Vec::new();
        for _ in 0..8 {
            all.push(pool.get(&acme).await.unwrap());
        }
    });
}

/// Asks for connections, and mostly has the patience to get them.
async fn come_and_go(pool: Pool<Stub>, seed: u64) -> usize {
    let mut random = Random(seed);
    let mut served = 0;
    for _ in 0..300 {
        let tenant = tenant(TENANTS[random.below(3)]);
        let polls = if random.below(4) == 0 {
            random.below(4)
        } else {
            1_000
        };
        if let Some(Ok(mut connection)) = poll_times(polls, pool.get(&tenant)).await {
            served += 1;
            tokio::task::yield_now().await;
            connection.is_broken = random.below(20) == 0;
        }
    }
    served
}

#[test]
fn a_runtime_that_ends_with_connections_out_harms_nobody() {
    let stub = Stub::default();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    };
    let first = runtime();
    let (pool, held) = first.block_on(async {
        let pool = pool(&stub, 1, Settings::default());
        let held = pool.get(&tenant("acme")).await.unwrap();
        (pool, held)
    });
    drop(first);
    drop(held);
    // What is open can still be had; nobody opens another.
    runtime().block_on(async {
        let again = pool.get(&tenant("acme")).await.unwrap();
        assert_eq!(again.number, 1);
        assert!(poll_times(1, pool.get(&tenant("acme"))).await.is_none());
    });
    drop(pool);
    assert_eq!(stub.open(), 0);
}
