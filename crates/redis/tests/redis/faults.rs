//! The server or the network fails under load.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use towerblock_redis::{Call, Class, Error, Redis, Settings};
use towerblock_testkit::{self as testkit, Direction, Proxy};

use crate::load::{Load, print};
use crate::{LONG, connect, get, set, start, until};

/// The faults last as long.
const OUTAGE: Duration = Duration::from_secs(2);

async fn back(redis: &Redis) -> Duration {
    let healed = Instant::now();
    until(redis, |status| status.reads && status.writes).await;
    healed.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_makes_nobody_wait() {
    let (server, redis) = start().await;
    let load = Load::start(&redis);
    sleep(Duration::from_millis(200)).await;
    let fault = Instant::now();
    server.kill().await.unwrap();
    sleep(OUTAGE).await;
    server.start().await.unwrap();
    let back = back(&redis).await;
    load.stop(fault)
        .await
        .check("killed under 1,000 calls/s", back);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_under_load_is_known_soon() {
    let (server, redis) = start().await;
    let load = Load::start(&redis);
    sleep(Duration::from_millis(200)).await;
    let fault = Instant::now();
    server.pause().await.unwrap();
    sleep(OUTAGE).await;
    server.resume().await.unwrap();
    let back = back(&redis).await;
    load.stop(fault)
        .await
        .check("SIGSTOP under 1,000 calls/s", back);
    assert_eq!(get(&redis, "key").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_heals() {
    let server = testkit::Redis::builder().start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let redis = connect(&format!("redis://{}", proxy.addr())).await;
    for (what, direction) in [
        ("partition", Direction::Both),
        ("requests lost", Direction::ToServer),
        ("answers lost", Direction::ToClient),
    ] {
        let load = Load::start(&redis);
        let fault = Instant::now();
        proxy.drop_bytes(direction);
        sleep(OUTAGE).await;
        proxy.heal().await;
        let back = back(&redis).await;
        load.stop(fault).await.check(what, back);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_known_though_nobody_asks() {
    let (server, redis) = start().await;
    let fault = Instant::now();
    server.pause().await.unwrap();
    // Nobody knows yet.
    let first = get(&redis, "key").await.unwrap_err();
    let waited = fault.elapsed();
    assert_eq!(first.class(), Class::Outage);
    until(&redis, |status| !status.reads).await;
    let known = fault.elapsed();
    let asked = Instant::now();
    assert!(matches!(get(&redis, "key").await, Err(Error::Refused(_))));
    let refused = asked.elapsed();
    server.resume().await.unwrap();
    let back = back(&redis).await;
    let measured = format!(
        "first call {} ms, known in {} ms, then refused in {} us, back in {} ms",
        waited.as_millis(),
        known.as_millis(),
        refused.as_micros(),
        back.as_millis(),
    );
    print("SIGSTOP while idle", &measured, "100 ms; 200 ms; 1,000 ms");
    assert!(
        waited < Duration::from_millis(250) && known < Duration::from_millis(450),
        "{measured}"
    );
    assert!(
        refused < Duration::from_millis(20) && back < Duration::from_millis(1_500),
        "{measured}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_end_are_made_again() {
    let server = testkit::Redis::builder().start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let redis = connect(&format!("redis://{}", proxy.addr())).await;
    for reset in [false, true] {
        let before = redis.watch().borrow().epoch.clone();
        let cut = Instant::now();
        if reset {
            proxy.reset().await;
        } else {
            proxy.cut().await;
        }
        until(&redis, |status| !status.reads).await;
        let back = back(&redis).await;
        print(
            "connections ended",
            &format!("back in {} ms", cut.elapsed().as_millis()),
            "1,000 ms",
        );
        assert!(back < Duration::from_millis(1_500), "{back:?}");
        set(&redis, "key", "value").await.unwrap();
        assert_eq!(redis.watch().borrow().epoch, before);
    }
    // All of them at once, by the server.
    let other = connect(&server.url()).await;
    other
        .call(Call::read("CLIENT").arg("KILL").arg("SKIPME").arg("yes"))
        .await
        .unwrap();
    timeout(LONG, async {
        while get(&redis, "key").await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

/// The loss may not be known yet, but who runs into it hears so.
async fn get_at_last(redis: &Redis, key: &str) -> Option<String> {
    let asked = async {
        loop {
            match get(redis, key).await {
                Ok(value) => return value,
                Err(error) => assert!(!matches!(error, Error::Timeout(_)), "{error:?}"),
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, asked).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_while_the_connection_ends_hears_of_it_at_once() {
    let server = testkit::Redis::builder().start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let url = format!("redis://{}", proxy.addr());
    let patient = Settings::from_url(&url)
        .unwrap()
        .timeout(Duration::from_secs(5));
    let redis = Redis::connect(patient);
    for round in 0..12 {
        until(&redis, |status| status.reads).await;
        let callers = (0..8).map(|_| {
            let redis = redis.clone();
            tokio::spawn(async move {
                loop {
                    if let Err(error) = get(&redis, "key").await {
                        return error;
                    }
                }
            })
        });
        let callers: Vec<_> = callers.collect();
        get_at_last(&redis, "key").await;
        proxy.cut().await;
        for caller in callers {
            let error = caller.await.unwrap();
            assert!(!matches!(error, Error::Timeout(_)), "{round}: {error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_answer_is_none() {
    let server = testkit::Redis::builder().start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let url = format!("redis://{}", proxy.addr());
    let redis = Redis::connect(
        Settings::from_url(&url)
            .unwrap()
            .timeout(Duration::from_secs(5)),
    );
    until(&redis, |status| status.writes).await;
    set(&redis, "large", &"x".repeat(1 << 20)).await.unwrap();
    proxy.throttle(100_000);
    let asked = tokio::spawn({
        let redis = redis.clone();
        async move { get(&redis, "large").await }
    });
    // Some of it is here, and most is not.
    sleep(Duration::from_millis(300)).await;
    proxy.cut().await;
    let error = asked.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Lost(_)), "{error:?}");
    proxy.heal().await;
    back(&redis).await;
    let large = get_at_last(&redis, "large").await;
    assert_eq!(large.map(|text| text.len()), Some(1 << 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_too_slow_is_left_alone_and_not_tried_by_users() {
    let server = testkit::Redis::builder().start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let redis = connect(&format!("redis://{}", proxy.addr())).await;
    let load = Load::start(&redis);
    let fault = Instant::now();
    proxy.delay(Duration::from_millis(150));
    until(&redis, |status| !status.reads).await;
    let mut status = redis.watch();
    status.mark_unchanged();
    let flaps = async {
        let mut flaps = 0;
        while status.wait_for(|status| status.reads).await.is_ok() {
            flaps += 1;
            let _away = status.wait_for(|status| !status.reads).await;
        }
        flaps
    };
    assert!(timeout(OUTAGE, flaps).await.is_err(), "never ends");
    assert!(!redis.watch().borrow().reads);
    proxy.heal().await;
    let back = back(&redis).await;
    load.stop(fault).await.check("answers 300 ms late", back);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_without_a_server() {
    let server = testkit::Redis::builder().start().await.unwrap();
    server.kill().await.unwrap();
    let redis = Redis::connect(Settings::from_url(&server.url()).unwrap());
    let Err(Error::Refused(rejected)) = get(&redis, "key").await else {
        panic!("nobody is there");
    };
    assert_eq!(
        (rejected.by(), rejected.retry_after().is_some()),
        ("redis", true)
    );
    let status = until(&redis, |status| status.why.is_some()).await;
    assert!(status.epoch.is_none() && !status.reads);
    server.start().await.unwrap();
    let back = back(&redis).await;
    print(
        "started without a server",
        &format!("joins in {} ms", back.as_millis()),
        "1,000 ms",
    );
    assert!(back < Duration::from_millis(1_500), "{back:?}");
    assert!(get(&redis, "key").await.is_ok());
}

/// What a user does with errors is nothing to a gate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_that_callers_swallow_open_the_gate() {
    let (server, redis) = start().await;
    let load = tokio::spawn({
        let redis = redis.clone();
        async move {
            while redis.circuits()[0].state() == towerblock_breaker::State::Closed {
                let _ok = get(&redis, "key").await;
            }
        }
    });
    server.pause().await.unwrap();
    timeout(LONG, load).await.unwrap().unwrap();
    server.resume().await.unwrap();
    back(&redis).await;
}
