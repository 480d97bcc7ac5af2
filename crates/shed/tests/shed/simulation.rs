//! Servers under load, in virtual time.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use towerblock_fair::Share;
use towerblock_shed::{Limit, ShedLayer};

use crate::n;
use crate::server::{Outcome, Server, ask};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn adaptive() -> ShedLayer {
    ShedLayer::new(Limit::adaptive())
}

/// 20 slots of 10 ms: 2,000 per second.
fn twenty() -> Server {
    Server::new(20, 10 * MILLI)
}

/// What becomes of fifty tenants, and of a noisy one that comes to them after a while.
async fn fifty(layer: &ShedLayer, noisy: f64) -> (Outcome, Outcome) {
    // 1,200 per second together.
    let (svc, lasts) = (twenty().behind(layer), 20 * SECOND);
    let quiet = async |lasts| {
        let mut tasks = JoinSet::new();
        for n in 0..50 {
            tasks.spawn(ask(svc.clone(), format!("quiet-{n}"), 24.0, lasts));
        }
        let quiet = tasks.join_all().await;
        quiet.into_iter().fold(Outcome::default(), Outcome::with)
    };
    quiet(5 * SECOND).await;
    let noise = tokio::spawn(ask(svc.clone(), "noisy".to_owned(), noisy, lasts));
    (quiet(lasts).await, noise.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn one_tenant_at_ten_times_does_not_hurt_fifty_others() {
    for limit in [Limit::fixed(n(40)), Limit::adaptive().start(n(40)).into()] {
        let (mut solo, _) = fifty(&ShedLayer::new(limit), 0.01).await;
        let layer = ShedLayer::new(limit);
        let (mut quiet, _) = fifty(&layer, 240.0).await;
        let refused = quiet.refused_percent();
        assert!(refused < 0.2, "{limit:?}: {refused} %");
        let (alone, beside) = (solo.p99(), quiet.p99());
        assert!(beside <= alone.mul_f64(1.2), "{alone:?} -> {beside:?}");
    }
}

/// The noisy one asks for more than the server has, and gets what the others leave.
#[tokio::test(start_paused = true)]
async fn one_tenant_at_a_hundred_times_is_the_one_that_is_refused() {
    for limit in [Limit::fixed(n(40)), Limit::adaptive().start(n(40)).into()] {
        let (mut solo, _) = fifty(&ShedLayer::new(limit), 0.01).await;
        let layer = ShedLayer::new(limit);
        let (mut quiet, noisy) = fifty(&layer, 2_400.0).await;
        let refused = quiet.refused_percent();
        assert!(refused < 3.5, "{limit:?}: {refused} %");
        assert!(noisy.refused_percent() > 60.0, "{limit:?}");
        let (alone, beside) = (solo.p99(), quiet.p99());
        assert!(beside <= alone.mul_f64(1.2), "{alone:?} -> {beside:?}");
        // Of 2,000 per second, 1,200 are the others'.
        let gets = noisy.took.len() / 20;
        assert!((500..=850).contains(&gets), "{limit:?}: {gets}");
    }
}

#[tokio::test(start_paused = true)]
async fn tenants_that_all_ask_for_too_much_get_what_their_weights_say() {
    let layer = ShedLayer::new(Limit::fixed(n(40)))
        .soft_percent(0)
        .share_of(|tenant| match tenant.as_str() {
            "big" => Share::weight(3),
            _ => Share::weight(1),
        });
    let svc = twenty().behind(&layer);
    let asks = ["big", "a", "b"].map(|tenant| {
        let lasts = 10 * SECOND;
        tokio::spawn(ask(svc.clone(), tenant.to_owned(), 3_000.0, lasts))
    });
    let [big, a, b] = asks;
    let gets = |outcome: Outcome| outcome.took.len() as f64;
    let [big, a, b] = [big.await, a.await, b.await].map(|outcome| gets(outcome.unwrap()));
    assert!((2.5..3.5).contains(&(big / a)), "{big} {a} {b}");
    assert!((0.9..1.1).contains(&(a / b)), "{big} {a} {b}");
}

#[tokio::test(start_paused = true)]
async fn a_step_to_overload_converges_within_10_seconds_and_most_of_the_server_is_used() {
    let layer = adaptive();
    let svc = twenty().behind(&layer);
    ask(svc.clone(), "a".to_owned(), 1_000.0, 20 * SECOND).await;
    ask(svc.clone(), "a".to_owned(), 5_000.0, 10 * SECOND).await;
    let mut settled = ask(svc.clone(), "a".to_owned(), 5_000.0, 20 * SECOND).await;
    // 20 at work, and a queue of a few.
    assert!((22..=70).contains(&layer.limit()), "{}", layer.limit());
    let per_second = settled.took.len() / 20;
    assert!(per_second >= 1_700, "{per_second}");
    let p99 = settled.p99();
    assert!(p99 <= 75 * MILLI, "{p99:?}");

    // And when it is over, nobody is refused.
    let after = ask(svc, "a".to_owned(), 1_000.0, 10 * SECOND).await;
    assert!(after.refused_percent() < 0.5, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_base_shift_from_10_to_20_ms_is_learned_anew() {
    let layer = adaptive();
    // Room for all, so that a longer time is nobody's queue.
    let server = Server::new(10_000, 10 * MILLI);
    let svc = server.behind(&layer);
    ask(svc.clone(), "a".to_owned(), 2_000.0, 30 * SECOND).await;
    let before = layer.limit();
    let _slower = server.clone().based(20 * MILLI);
    let mut least = before;
    for _ in 0..20 {
        ask(svc.clone(), "a".to_owned(), 2_000.0, SECOND).await;
        least = least.min(layer.limit());
    }
    assert!(least * 3 >= before, "{before} -> {least}");
    let after = ask(svc, "a".to_owned(), 2_000.0, 20 * SECOND).await;
    assert!(layer.limit() >= 50, "{}", layer.limit());
    assert!(after.refused_percent() < 3.0, "{}", after.refused_percent());
}

#[tokio::test(start_paused = true)]
async fn two_kinds_of_requests_of_very_different_length_are_no_overload() {
    let layer = adaptive();
    // 2 ms, and one in ten 100 ms: 12 on average.
    let server = Server::new(10_000, 2 * MILLI).working(|base, random| {
        let long = random.uniform() < 0.1;
        if long { 50 * base } else { base }
    });
    let svc = server.behind(&layer);
    ask(svc.clone(), "a".to_owned(), 1_000.0, 20 * SECOND).await;
    let settled = ask(svc, "a".to_owned(), 1_000.0, 60 * SECOND).await;
    assert!(
        settled.refused_percent() < 0.5,
        "{}",
        settled.refused_percent()
    );
    assert!(layer.limit() >= 15, "{}", layer.limit());
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_a_server_costs_what_comes_during_it_and_little_more() {
    let layer = adaptive();
    let server = twenty();
    let svc = server.behind(&layer);
    ask(svc.clone(), "a".to_owned(), 1_000.0, 20 * SECOND).await;
    let calm = layer.limit();
    let pausing = {
        let server = server.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                sleep(4 * SECOND).await;
                server.pause(200 * MILLI).await;
            }
        })
    };
    let paused = ask(svc, "a".to_owned(), 1_000.0, 20 * SECOND).await;
    pausing.await.unwrap();
    // One second of twenty, and as long again to be rid of what has come.
    assert!(
        paused.refused_percent() < 10.0,
        "{}",
        paused.refused_percent()
    );
    assert!(layer.limit() * 3 >= calm, "{calm} -> {}", layer.limit());
}
