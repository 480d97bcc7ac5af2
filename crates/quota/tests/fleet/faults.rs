use std::time::Duration;

use tokio::time::{Instant, sleep};
use towerblock_quota::{Ask, Source};
use towerblock_redis::{Call, Settings};
use towerblock_testkit::{Direction, Proxy, Redis};

use crate::support::{
    admitted, ask, hasty, limiters, per_hour, per_second, plan, policy, ready, tenant, told, until,
};

const LEASE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn it_starts_without_redis_as_a_share() {
    let server = Redis::builder().start().await.unwrap();
    server.kill().await.unwrap();
    let limiter = hasty(&server.url(), 4, LEASE);
    let plan = plan([policy("requests", per_hour(100))]);
    let since = Instant::now();
    assert_eq!(admitted(&limiter, &plan, 100).await, 25);
    assert!(since.elapsed() < Duration::from_millis(100));
    server.start().await.unwrap();
    until(async || limiter.is_shared()).await;
    // What it admitted is charged.
    assert_eq!(admitted(&limiter, &plan, 100).await, 75);
}

/// Killed and back without its data, hung, flushed, and unreachable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_go_on_as_shares_and_no_second_burst_follows() {
    let server = Redis::builder().keep_data(true).start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let url = format!("redis://{}", proxy.addr());
    let all = [hasty(&url, 2, LEASE), hasty(&url, 2, LEASE)];
    ready(&all).await;
    for fault in ["stopped", "hung", "unreachable"] {
        let plan = plan([policy(fault, per_hour(100))]);
        // Half of it is used.
        for limiter in &all {
            assert_eq!(admitted(limiter, &plan, 25).await, 25);
        }
        match fault {
            "stopped" => server.stop().await.unwrap(),
            "hung" => server.pause().await.unwrap(),
            _ => {
                proxy.drop_bytes(Direction::ToServer);
                proxy.drop_bytes(Direction::ToClient);
            }
        }
        let mut shares = 0;
        for limiter in &all {
            let since = Instant::now();
            let first = limiter.decide(ask(&plan)).await;
            assert_eq!(first.source(), Source::Share, "{fault}");
            assert!(since.elapsed() < Duration::from_millis(250), "{fault}");
            shares += u64::from(first.is_admitted());
            // From here on none waits, whether it is admitted or not.
            let since = Instant::now();
            shares += admitted(limiter, &plan, 100).await;
            assert_eq!(admitted(limiter, &plan, 100).await, 0, "{fault}");
            assert!(since.elapsed() < Duration::from_millis(100), "{fault}");
        }
        // The one knew of 75 left, the other of 50, and each has a half of that.
        assert_eq!(shares, 37 + 25, "{fault}");
        match fault {
            "stopped" => server.start().await.unwrap(),
            "hung" => server.resume().await.unwrap(),
            _ => proxy.heal().await,
        }
        for limiter in &all {
            until(async || limiter.is_shared()).await;
        }
        for limiter in &all {
            assert_eq!(admitted(limiter, &plan, 100).await, 0, "{fault}");
        }
    }
}

#[tokio::test]
async fn a_server_that_lost_its_data_gives_one_burst() {
    let server = Redis::builder().start().await.unwrap();
    let all = limiters(&server.url(), 2, LEASE).await;
    let plan = plan([policy("requests", per_second(100, 50))]);
    let since = Instant::now();
    let mut sum = 0;
    let redis = towerblock_redis::Redis::connect(Settings::from_url(&server.url()).unwrap());
    redis
        .watch()
        .wait_for(|status| status.writes)
        .await
        .unwrap();
    for round in 0..40 {
        for limiter in &all {
            sum += admitted(limiter, &plan, 20).await;
        }
        if round == 20 {
            redis.call(Call::read("FLUSHALL")).await.unwrap();
        }
        sleep(Duration::from_millis(20)).await;
    }
    let should = 2.0 * 50.0 + 100.0 * (since.elapsed() + LEASE).as_secs_f64();
    assert!(sum as f64 <= should, "{sum} of {should}");
}

/// Whatever stands under a key, or is said instead of an answer, refuses nobody.
#[tokio::test]
async fn what_is_damaged_heals_and_an_error_is_no_refusal() {
    let server = Redis::builder().start().await.unwrap();
    let all = limiters(&server.url(), 1, LEASE).await;
    let limiter = all.first().unwrap();
    let plan = plan([policy("requests", per_hour(100))]);
    let redis = towerblock_redis::Redis::connect(Settings::from_url(&server.url()).unwrap());
    redis
        .watch()
        .wait_for(|status| status.writes)
        .await
        .unwrap();
    let key = "test:rate:{acme}:requests";
    for write in [
        Call::write("SET").args([key, "nonsense"]),
        Call::write("SET").args([key, ""]),
        Call::write("LPUSH").args([key, "wrong"]),
    ] {
        redis.call(Call::read("DEL").arg(key)).await.unwrap();
        redis.call(write).await.unwrap();
        let decision = limiter.decide(ask(&plan)).await;
        assert_eq!(
            (decision.source(), decision.remaining()),
            (Source::Redis, 99)
        );
    }
    let full = Call::write("CONFIG").args(["SET", "maxmemory", "1"]);
    redis.call(full).await.unwrap();
    let decision = limiter.decide(ask(&plan)).await;
    assert_eq!(
        (decision.source(), decision.is_admitted()),
        (Source::Share, true)
    );
    assert!(told(limiter, "quota_fleet_errors", "") > 0);
    let free = Call::read("CONFIG").args(["SET", "maxmemory", "0"]);
    redis.call(free).await.unwrap();
    until(async || limiter.is_shared()).await;
    assert_eq!(limiter.decide(ask(&plan)).await.remaining(), 97);
}

/// Keys that clients make up stay here, in memory of a fixed size.
#[tokio::test]
async fn made_up_keys_do_not_reach_redis() {
    let server = Redis::builder().start().await.unwrap();
    let all = limiters(&server.url(), 2, LEASE).await;
    let limiter = all.first().unwrap();
    let plan = plan([policy("requests", per_hour(100))]);
    for minted in 0..5_000 {
        let made_up = Ask::unverified(std::sync::Arc::clone(&plan), minted);
        assert_eq!(limiter.decide(made_up).await.source(), Source::Share);
    }
    assert_eq!(told(limiter, "quota_fleet_calls", ""), 0);
    let known = Ask::new(std::sync::Arc::clone(&plan), &tenant());
    assert_eq!(limiter.decide(known).await.remaining(), 99);
}
