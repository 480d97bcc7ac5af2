//! Callers that leave, at any moment.

use std::time::Duration;

use tokio::time::{advance, sleep};
use towerblock_core::{Stats, Value};
use towerblock_pool::{Pool, Settings};
use towerblock_testkit::poll_times;

use crate::stub::Stub;
use crate::{pool, tenant};

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
