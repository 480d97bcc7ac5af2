use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use towerblock_quota::{Scope, Source};
use towerblock_testkit::Redis;

use crate::support::{admitted, ask, limiters, per_hour, per_second, plan, policy, strict, told};

const LEASE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn what_one_instance_admits_another_does_not() {
    let server = Redis::builder().start().await.unwrap();
    let all = limiters(&server.url(), 3, LEASE).await;
    for rate in [per_hour(100), strict(100)] {
        let window = plan([policy(&format!("r{}", rate.window().as_secs()), rate)]);
        let each = join_all(all.iter().map(|limiter| admitted(limiter, &window, 60))).await;
        assert_eq!(each.iter().sum::<u64>(), 100);
        let refused = all.first().unwrap().decide(ask(&window)).await;
        // Of what Redis has refused it is not asked again.
        assert_eq!(refused.source(), Source::Remembered);
        assert!(refused.reset() > Duration::from_secs(1));
    }
}

#[tokio::test]
async fn all_levels_are_charged_or_none() {
    let server = Redis::builder().start().await.unwrap();
    let all = limiters(&server.url(), 1, LEASE).await;
    let limiter = all.first().unwrap();
    let both = plan([
        policy("tenant", per_hour(10)),
        policy("fast", per_second(100_000, 100_000)),
        policy("user", per_hour(3)).per(Scope::User),
    ]);
    let of = |user: &str| ask(&both).user(user);
    let mut admitted = 0;
    for _ in 0..9 {
        admitted += u64::from(limiter.decide(of("ada")).await.is_admitted());
    }
    let grace = limiter.decide(of("grace")).await;
    assert_eq!(
        (admitted, grace.is_admitted(), grace.remaining()),
        (3, true, 2)
    );
    // 4 of 10 are used: what ada was refused cost the tenant nothing.
    let free = limiter.decide(of("none").cost(0)).await;
    assert_eq!((free.is_admitted(), free.remaining()), (true, 3));
    let six = limiter
        .decide(ask(&plan([policy("tenant", per_hour(10))])).cost(6))
        .await;
    assert_eq!((six.is_admitted(), six.remaining()), (true, 0));
    let above = limiter.decide(of("ada").cost(11)).await;
    assert!(
        above
            .rejected()
            .is_some_and(|rejected| rejected.retry_after().is_none())
    );
}

/// More than there is is asked for by all, all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fleet_never_admits_more_than_the_leases_allow() {
    const RATE: u64 = 2_000;
    const BURST: u64 = 1_000;
    for instances in [1, 7, 50] {
        let server = Redis::builder().start().await.unwrap();
        let all = limiters(&server.url(), instances, LEASE).await;
        let plan = plan([policy("requests", per_second(RATE, BURST))]);
        let since = Instant::now();
        let ends = since + Duration::from_millis(1_500);
        let hoard = all.iter().enumerate().map(async |(place, limiter)| {
            let mut admitted = 0_u64;
            // Some spend at once what they are given, and some when it nearly ends.
            let pause = if place % 2 == 0 {
                LEASE / 40
            } else {
                LEASE * 9 / 10
            };
            while Instant::now() < ends {
                for _ in 0..pause.as_millis() * 4 {
                    admitted += u64::from(limiter.decide(ask(&plan)).await.is_admitted());
                }
                sleep(pause).await;
            }
            admitted
        });
        let admitted: u64 = join_all(hoard).await.iter().sum();
        let passed = since.elapsed().as_secs_f64();
        let should = BURST as f64 + RATE as f64 * passed;
        let lease = RATE as f64 * LEASE.as_secs_f64();
        assert!(admitted as f64 <= should + lease, "{admitted} of {should}");
        // And what is stranded is less than the leases.
        assert!(
            admitted as f64 >= should * 0.7 - lease,
            "{admitted} of {should}"
        );
    }
}

/// Each has taken all it may, and spends it when the burst is there again, and all else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_that_were_kept_for_long_are_within_the_bound() {
    const RATE: u64 = 2_000;
    const BURST: u64 = 1_000;
    let server = Redis::builder().start().await.unwrap();
    let all = limiters(&server.url(), 8, LEASE).await;
    let plan = plan([policy("requests", per_second(RATE, BURST))]);
    // Leases grow with what is asked for, and it is less than there is.
    for _ in 0..10 {
        join_all(all.iter().map(|limiter| admitted(limiter, &plan, 15))).await;
        sleep(LEASE / 2).await;
    }
    // All is back after a burst's time.
    sleep(Duration::from_millis(600)).await;
    let since = Instant::now();
    let kept = || {
        let kept = all
            .iter()
            .map(|limiter| told(limiter, "quota_fleet_decided", "lease"));
        kept.sum::<u64>()
    };
    let before = kept();
    let each = join_all(all.iter().map(|limiter| admitted(limiter, &plan, 1))).await;
    assert_eq!(each.iter().sum::<u64>(), 8);
    assert!(kept() > before, "no lease was kept");
    let each = join_all(all.iter().map(|limiter| admitted(limiter, &plan, 400))).await;
    let admitted = 8 + each.iter().sum::<u64>();
    let most = BURST as f64 + RATE as f64 * (since.elapsed() + LEASE).as_secs_f64();
    assert!(admitted as f64 <= most, "{admitted} of {most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_wait_are_one_call_and_a_lease_is_one_call() {
    let server = Redis::builder().start().await.unwrap();
    let all = limiters(&server.url(), 1, LEASE).await;
    let limiter = all.first().unwrap();
    let plan = plan([policy("requests", per_second(100_000, 100_000))]);
    let calls = || told(limiter, "quota_fleet_calls", "");
    let thousand = join_all((0..1_000).map(|_| limiter.decide(ask(&plan)))).await;
    assert!(thousand.iter().all(towerblock_quota::Decision::is_admitted));
    // The first is alone, and the next fetches what all who wait by then need.
    assert!(calls() <= 10, "{} calls", calls());
    let (before, since) = (calls(), Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        assert_eq!(admitted(limiter, &plan, 50).await, 50);
        sleep(Duration::from_millis(5)).await;
    }
    let leases = since.elapsed().as_millis() / LEASE.as_millis() + 1;
    let asked = u128::from(calls() - before);
    // While it grows to what is needed, some are smaller.
    assert!(asked <= leases + 6, "{asked} calls, {leases} leases");
}

/// Wherever it is dropped, nobody waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_dropped_while_it_asks_holds_up_nobody() {
    let server = Redis::builder().start().await.unwrap();
    let all = limiters(&server.url(), 1, LEASE).await;
    let limiter = all.first().unwrap();
    let anew = |n| plan([policy(&format!("requests-{n}"), per_second(1_000, 1_000))]);
    for polls in 0..20 {
        // Nothing is known of it, so that both have to ask.
        let plan = anew(polls);
        let mut dropped = Box::pin(limiter.decide(ask(&plan)));
        let mut next = Box::pin(limiter.decide(ask(&plan)));
        for _ in 0..=polls % 3 {
            if futures_util::poll!(&mut dropped).is_ready() {
                break;
            }
        }
        let first = futures_util::poll!(&mut next);
        drop(dropped);
        let since = Instant::now();
        let decision = match first {
            std::task::Poll::Ready(decision) => decision,
            std::task::Poll::Pending => next.await,
        };
        assert!(decision.is_admitted() && decision.source() != Source::Share);
        assert!(since.elapsed() < Duration::from_secs(1));
    }
    // Nobody is left waiting for what was dropped, or asks alone because of it.
    let plan = anew(0);
    let before = told(limiter, "quota_fleet_calls", "");
    assert_eq!(admitted(limiter, &plan, 100).await, 100);
    let calls = told(limiter, "quota_fleet_calls", "") - before;
    assert!(calls < 30, "{calls} calls");
}
