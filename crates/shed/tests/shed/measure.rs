use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use futures_util::future::join_all;
use http::Request;
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};
use towerblock_core::BoxError;
use towerblock_shed::{Limit, ShedLayer};

use crate::{from, n, told};

/// What a request takes, in milliseconds.
const USUAL: u64 = 10;

fn adaptive() -> ShedLayer {
    ShedLayer::new(Limit::adaptive().start(n(100))).soft_percent(100)
}

/// So many at once, again and again for so many times.
async fn waves(layer: &ShedLayer, at_once: usize, times: usize, millis: u64) {
    let svc = layer.layer(service_fn(move |_: Request<()>| async move {
        sleep(Duration::from_millis(millis)).await;
        Ok::<_, BoxError>(())
    }));
    for _ in 0..times {
        join_all((0..at_once).map(|_| svc.clone().oneshot(from("a")))).await;
    }
}

/// tower-resilience 0.13: 10 became 1,000.
#[tokio::test(start_paused = true)]
async fn a_sequential_caller_does_not_grow_the_limit() {
    let layer = ShedLayer::new(Limit::adaptive().start(n(10)));
    waves(&layer, 1, 10_000, USUAL).await;
    assert_eq!(layer.limit(), 10);
}

#[tokio::test(start_paused = true)]
async fn one_that_fills_it_does_up_to_the_ceiling() {
    let limit = Limit::adaptive().start(n(10)).between(n(5), n(60));
    let layer = ShedLayer::new(limit).soft_percent(100);
    waves(&layer, 100, 1_000, USUAL).await;
    assert_eq!(layer.limit(), 60);
}

#[tokio::test(start_paused = true)]
async fn longer_times_shrink_it_to_the_floor() {
    let limit = Limit::adaptive().start(n(100)).between(n(30), n(1_000));
    let layer = ShedLayer::new(limit).soft_percent(100);
    waves(&layer, 60, 100, USUAL).await;
    let before = layer.limit();
    waves(&layer, 150, 20, 20 * USUAL).await;
    assert!(layer.limit() < before / 2, "{before} -> {}", layer.limit());
    assert!(layer.limit() >= 30, "{}", layer.limit());
}

#[tokio::test(start_paused = true)]
async fn refusals_are_not_sampled() {
    let layer = ShedLayer::new(Limit::adaptive().between(n(5), n(5))).soft_percent(100);
    waves(&layer, 100, 100, USUAL).await;
    let svc = layer.layer(service_fn(|_: Request<()>| async {
        sleep(Duration::from_millis(10)).await;
        Ok::<_, BoxError>(())
    }));
    let calls = join_all((0..6).map(|_| svc.clone().oneshot(from("a")))).await;
    let refused = calls.into_iter().find_map(Result::err).unwrap();
    let wait = crate::rejected(&refused).retry_after().unwrap();
    assert!(wait >= Duration::from_millis(10), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_late_is_overload_and_what_is_given_up_at_once_is_not() {
    for (patience, is_overload) in [(5, false), (100, true)] {
        let layer = adaptive();
        waves(&layer, 60, 100, USUAL).await;
        let before = layer.limit();
        let hangs = layer.layer(service_fn(|_: Request<()>| {
            pending::<Result<(), Infallible>>()
        }));
        for _ in 0..100 {
            let give_up = Duration::from_millis(patience);
            let calls = (0..60).map(|_| {
                let svc = hangs.clone();
                async move {
                    tokio::time::timeout(give_up, svc.oneshot(from("a")))
                        .await
                        .is_err()
                }
            });
            join_all(calls).await;
        }
        let after = layer.limit();
        assert_eq!(after < before / 2, is_overload, "{before} -> {after}");
        assert!(told(&layer, "shed_dropped", "") >= 500.0);
    }
}
