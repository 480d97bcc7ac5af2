use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use towerblock_breaker::State;
use towerblock_cache::{Invalidation, Source};
use towerblock_redis::Call;
use towerblock_testkit::{Direction, Proxy, Redis};

use crate::support::{DEAF, EVERYWHERE, Instance, Origin, SOON, policy, tenant, until};

#[tokio::test]
async fn it_starts_without_redis_and_uses_it_once_it_is_there() {
    let server = Redis::builder().start().await.unwrap();
    server.kill().await.unwrap();
    let instance = Instance::start(&server.url());
    let (origin, acme) = (Origin::default(), tenant("acme"));
    origin.set(&acme, "k", "v");
    let since = Instant::now();
    assert_eq!(
        instance.hit(&origin, &acme, "k").await.unwrap().source(),
        Source::Load
    );
    assert!(since.elapsed() < Duration::from_millis(100));
    assert_eq!(
        instance.cache.invalidate(&acme, "k").await,
        Invalidation::Here
    );
    server.start().await.unwrap();
    instance.is_up().await;
    assert_eq!(instance.cache.invalidate(&acme, "k").await, EVERYWHERE);
}

/// What was invalidated while Redis was away, and what Redis still has, is not served by the
/// instance that has invalidated, and by no other once that was told.
#[tokio::test]
async fn what_redis_kept_through_an_outage_does_not_come_back() {
    let server = Redis::builder().keep_data(true).start().await.unwrap();
    let one = Instance::start(&server.url()).ready().await;
    let other = Instance::start(&server.url()).ready().await;
    let (origin, acme) = (Origin::default(), tenant("acme"));
    origin.set(&acme, "k", "old");
    one.get(&origin, &acme, "k").await;
    until(async || other.hit(&origin, &acme, "k").await.unwrap().source() != Source::Load).await;
    server.stop().await.unwrap();
    let away = Instant::now();
    until(async || one.cache.invalidate(&acme, "probe").await == Invalidation::Here).await;
    origin.set(&acme, "k", "new");
    assert_eq!(one.cache.invalidate(&acme, "k").await, Invalidation::Here);
    let ended = Arc::new(AtomicBool::new(false));
    let watch = async {
        while !ended.load(Ordering::SeqCst) {
            assert_eq!(one.get(&origin, &acme, "k").await.unwrap(), "new");
            sleep(Duration::from_millis(2)).await;
        }
    };
    let rest = async {
        // The other hears nothing, and believes what it has no longer than it was told to.
        until(async || other.get(&origin, &acme, "k").await.unwrap() == "new").await;
        let stale_for = away.elapsed();
        assert!(stale_for < DEAF + Duration::from_secs(2), "{stale_for:?}");
        server.start().await.unwrap();
        one.is_up().await;
        other.is_up().await;
        assert_eq!(other.get(&origin, &acme, "k").await.unwrap(), "new");
        ended.store(true, Ordering::SeqCst);
    };
    tokio::join!(watch, rest);
    // And Redis has no other.
    let third = Instance::start(&server.url()).ready().await;
    assert_eq!(third.get(&origin, &acme, "k").await.unwrap(), "new");
}

/// Nobody was cut off: what others said meanwhile came in its turn.
#[tokio::test]
async fn what_is_in_memory_is_believed_when_only_calls_were_late() {
    let server = Redis::builder().start().await.unwrap();
    let one = Instance::deaf_for(SOON, &server.url(), policy());
    let one = one.ready().await;
    let other = Instance::start(&server.url()).ready().await;
    let (origin, acme) = (Origin::default(), tenant("acme"));
    for key in ["changed", "kept"] {
        origin.set(&acme, key, "old");
        one.get(&origin, &acme, key).await;
    }
    assert_eq!(origin.loads(), 2);
    server.pause().await.unwrap();
    let mut status = one.redis.watch();
    let late = status.wait_for(|status| !status.reads && !status.subscribed);
    timeout(SOON, late).await.unwrap().unwrap();
    origin.set(&acme, "changed", "new");
    assert_eq!(
        other.cache.invalidate(&acme, "changed").await,
        Invalidation::Here
    );
    server.resume().await.unwrap();
    one.is_up().await;
    until(async || one.get(&origin, &acme, "changed").await.unwrap() == "new").await;
    assert_eq!(origin.loads(), 3);
    let kept = one.hit(&origin, &acme, "kept").await.unwrap();
    assert_eq!((kept.source(), origin.loads()), (Source::Memory, 3));
}

#[tokio::test]
async fn a_fill_that_is_executed_late_is_refused() {
    let server = Redis::builder().start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let through = format!("redis://{}", proxy.addr());
    let slow = Instance::start(&through).ready().await;
    let other = Instance::start(&server.url()).ready().await;
    let acme = tenant("acme");
    let origin = Origin {
        takes: Duration::from_millis(300),
        ..Origin::default()
    };
    origin.set(&acme, "k", "old");
    let load = async { slow.get(&origin, &acme, "k").await.unwrap() };
    let meanwhile = async {
        // It has its lease, and has read the old value. What it sends now arrives later.
        until(async || origin.loads() == 1).await;
        origin.set(&acme, "k", "new");
        proxy.delay(Duration::from_millis(600));
        assert_eq!(other.cache.invalidate(&acme, "k").await, EVERYWHERE);
    };
    let (loaded, ()) = tokio::join!(load, meanwhile);
    assert_eq!(loaded, "old");
    sleep(Duration::from_millis(1_200)).await;
    assert_eq!(other.get(&origin, &acme, "k").await.unwrap(), "new");
    proxy.heal().await;
    slow.is_up().await;
    until(async || slow.get(&origin, &acme, "k").await.unwrap() == "new").await;
}

#[tokio::test]
async fn what_was_said_while_nobody_listened_is_not_missed() {
    let server = Redis::builder().start().await.unwrap();
    let one = Instance::start(&server.url()).ready().await;
    let other = Instance::start(&server.url()).ready().await;
    let (origin, acme) = (Origin::default(), tenant("acme"));
    for round in 0..5 {
        let (old, new) = (format!("old{round}"), format!("new{round}"));
        origin.set(&acme, "k", &old);
        let _ = one.cache.invalidate(&acme, "k").await;
        until(async || other.get(&origin, &acme, "k").await.unwrap() == old).await;
        origin.set(&acme, "k", &new);
        let kill = Call::read("CLIENT").args(["KILL", "TYPE", "pubsub"]);
        let (_, _) = tokio::join!(one.redis.call(kill), one.cache.invalidate(&acme, "k"));
        let since = Instant::now();
        until(async || other.get(&origin, &acme, "k").await.unwrap() == new).await;
        assert!(since.elapsed() < DEAF + Duration::from_secs(2));
        other.is_up().await;
    }
}

#[tokio::test]
async fn a_server_that_lost_its_data_is_noticed() {
    let server = Redis::builder().start().await.unwrap();
    let one = Instance::start(&server.url()).ready().await;
    let (origin, acme) = (Origin::default(), tenant("acme"));
    origin.set(&acme, "k", "old");
    assert_eq!(one.get(&origin, &acme, "k").await.unwrap(), "old");
    origin.set(&acme, "k", "new");
    one.redis.call(Call::read("FLUSHALL")).await.unwrap();
    let took = until(async || one.get(&origin, &acme, "k").await.unwrap() == "new").await;
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn errors_that_nobody_sees_open_the_circuit() {
    let server = Redis::builder().start().await.unwrap();
    let one = Instance::start(&server.url()).ready().await;
    let (origin, acme) = (Origin::default(), tenant("acme"));
    server.pause().await.unwrap();
    let [read, _] = one.redis.circuits();
    let mut key = 0;
    until(async || {
        key += 1;
        assert_eq!(one.get(&origin, &acme, &key.to_string()).await, None);
        read.state() == State::Open
    })
    .await;
    server.resume().await.unwrap();
    one.is_up().await;
}

/// Under load, while Redis is killed, hangs, or cannot be reached.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_or_waits_for_a_redis_that_is_away() {
    let server = Redis::builder().keep_data(true).start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let one = Instance::start(&format!("redis://{}", proxy.addr()))
        .ready()
        .await;
    for fault in ["killed", "hung", "unreachable"] {
        let ended = AtomicBool::new(false);
        let begun = Instant::now();
        let load = async {
            let (origin, acme) = (Origin::default(), tenant("acme"));
            let (mut slow, mut late, mut all, mut key) = (0, Duration::ZERO, 0, 0);
            while !ended.load(Ordering::SeqCst) {
                key += 1;
                let since = Instant::now();
                // Misses: each has to ask Redis first, if it may.
                one.get(&origin, &acme, &format!("{fault}{key}")).await;
                all += 1;
                if since.elapsed() > Duration::from_millis(30) {
                    slow += 1;
                    late = begun.elapsed();
                }
                assert!(
                    since.elapsed() < Duration::from_millis(400),
                    "{fault}: {:?}",
                    since.elapsed()
                );
                sleep(Duration::from_millis(2)).await;
            }
            (all, slow, late)
        };
        let rest = async {
            match fault {
                "killed" => server.kill().await.unwrap(),
                "hung" => server.pause().await.unwrap(),
                _ => {
                    proxy.drop_bytes(Direction::ToServer);
                    proxy.drop_bytes(Direction::ToClient);
                }
            }
            sleep(Duration::from_millis(1_500)).await;
            match fault {
                "killed" => server.start().await.unwrap(),
                "hung" => server.resume().await.unwrap(),
                _ => proxy.heal().await,
            }
            let back = Instant::now();
            one.is_up().await;
            ended.store(true, Ordering::SeqCst);
            back.elapsed()
        };
        let ((all, slow, late), back) = tokio::join!(load, rest);
        assert!(all > 100 && slow <= 20, "{fault}: {slow} of {all} waited");
        assert!(
            back < SOON,
            "{fault}: back after {back:?}, last wait {late:?}"
        );
    }
}
