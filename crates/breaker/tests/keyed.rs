//! What tenants can rely on who share a dependency.

use std::time::Duration;

use tokio::time::advance;
use towerblock_breaker::{Backoff, Circuit, Circuits, Policy, Probes, State, Verdict, Window};
use towerblock_core::{Reason, Stats, TenantId, Value};

const SECOND: Duration = Duration::from_secs(1);

fn once(policy: Policy) -> Policy {
    policy
        .backoff(Backoff::from(SECOND).jitter_percent(0))
        .probes(Probes::calls(1))
}

/// Half of the last 20 calls, or five in a row; three for a key.
fn circuits<K>() -> Circuits<K> {
    let shared = Policy::rate(Window::calls(20)).or_in_a_row(5);
    Circuits::new(
        Circuit::new("shared", once(shared)),
        once(Policy::in_a_row(3)),
    )
}

fn fail(circuits: &Circuits<u32>, key: u32) -> bool {
    circuits
        .try_acquire(&key)
        .map(towerblock_breaker::KeyedPermit::failure)
        .is_ok()
}

#[tokio::test(start_paused = true)]
async fn one_key_that_fails_is_refused_and_no_other() {
    let circuits = circuits();
    for round in 0..1_000 {
        if round % 10 == 0 {
            advance(SECOND).await;
        }
        fail(&circuits, 0);
        let other = 1 + round % 25;
        circuits.try_acquire(&other).unwrap().success();
        assert_eq!(circuits.shared().state(), State::Closed);
    }
    let refused = circuits.try_acquire(&0).unwrap_err();
    assert_eq!(
        (refused.by(), refused.reason()),
        ("shared", Reason::CircuitOpen)
    );
    assert!(refused.retry_after().is_some());
    assert_eq!(circuits.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_key_alone_does_not_open_what_is_shared() {
    let circuits = circuits();
    for _ in 0..100 {
        advance(60 * SECOND).await;
        while fail(&circuits, 0) {}
    }
    assert_eq!(circuits.shared().state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn keys_that_fail_one_after_the_other_open_what_is_shared_once() {
    let circuits = circuits();
    let mut told = circuits.shared().watch();
    for key in 0..5 {
        assert!(fail(&circuits, key));
    }
    assert_eq!(circuits.shared().state(), State::Open);
    assert_eq!(told.borrow_and_update().generation, 1);
    // Then no key is charged for what it is not asked.
    assert!((0..1_000).all(|key| !fail(&circuits, key)));
    assert_eq!(circuits.len(), 5);
    assert!((0..5).all(|key| circuits.state(&key) == State::Closed));
    advance(SECOND).await;
    circuits.try_acquire(&99).unwrap().success();
    assert_eq!(circuits.shared().state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn half_of_all_calls_open_what_is_shared_though_some_succeed() {
    let circuits = circuits();
    for n in 0..20 {
        if n % 2 == 0 {
            circuits.try_acquire(&(100 + n)).unwrap().success();
        } else {
            fail(&circuits, n);
        }
    }
    assert_eq!(circuits.shared().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_refused_gives_the_shared_probe_back() {
    let circuits = circuits();
    (0..3).for_each(|_| assert!(fail(&circuits, 0)));
    advance(SECOND).await;
    // Its own probe: open for two seconds more.
    assert!(fail(&circuits, 0));
    (1..5).for_each(|key| assert!(fail(&circuits, key)));
    assert_eq!(circuits.shared().state(), State::Open);
    advance(SECOND).await;
    for _ in 0..3 {
        assert!(circuits.try_acquire(&0).is_err());
        assert_eq!(circuits.shared().state(), State::HalfOpen);
    }
    circuits.try_acquire(&9).unwrap().success();
    assert_eq!(circuits.shared().state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_shared_probe_that_fails_counts_whoever_failed_last() {
    let circuits = circuits();
    (0..5).for_each(|key| assert!(fail(&circuits, key)));
    assert_eq!(circuits.shared().state(), State::Open);
    advance(SECOND).await;
    assert!(fail(&circuits, 4));
    assert_eq!(circuits.shared().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn healthy_keys_are_not_stored() {
    let circuits = circuits();
    for key in 0..1_000_000_u32 {
        circuits.try_acquire(&key).unwrap().success();
    }
    assert_eq!(circuits.len(), 0);
    assert!(circuits.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_gets_well_is_forgotten() {
    let circuits = circuits();
    assert!(fail(&circuits, 1));
    circuits.try_acquire(&1).unwrap().success();
    assert_eq!(circuits.len(), 0);
    // After it was open it is remembered for as long as it would stay open for longer.
    while fail(&circuits, 1) {}
    advance(SECOND).await;
    circuits.try_acquire(&1).unwrap().success();
    assert_eq!(circuits.state(&1), State::Closed);
    assert_eq!(circuits.len(), 1);
    advance(60 * SECOND).await;
    circuits.try_acquire(&1).unwrap().success();
    assert_eq!(circuits.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn anticapture_2148_a_flood_of_other_keys_sets_no_failing_key_free() {
    let shared = Circuit::new("shared", Policy::default());
    shared.force_closed();
    let circuits = Circuits::new(shared, once(Policy::in_a_row(3))).capacity(160);
    for round in 0..3 {
        assert!(fail(&circuits, 0), "{round}");
        for flood in 1..10_000 {
            fail(&circuits, round * 10_000 + flood);
        }
        assert!(circuits.len() <= 160);
    }
    assert_eq!(circuits.state(&0), State::Open);
    for flood in 0..10_000 {
        fail(&circuits, 50_000 + flood);
    }
    assert_eq!(circuits.state(&0), State::Open);
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_room_the_shared_circuit_judges() {
    let shared = Circuit::new("shared", once(Policy::in_a_row(100)));
    let circuits = Circuits::new(shared, once(Policy::in_a_row(3))).capacity(16);
    let failed = (0..200).filter(|key| fail(&circuits, *key)).count();
    assert_eq!(failed, 100);
    assert!(circuits.len() <= 16);
    assert_eq!(circuits.shared().state(), State::Open);
    let mut overflown = None;
    circuits.read(&mut |metric, _, value| {
        if metric.name == "breaker_keys_overflown" {
            overflown = Some(value);
        }
    });
    let Some(Value::Count(overflown)) = overflown else {
        panic!("it is counted");
    };
    assert!((84..=99).contains(&overflown), "{overflown}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_permit_of_a_hanging_call_has_failed() {
    let circuits = circuits();
    let tenant = TenantId::new("acme").unwrap();
    for _ in 0..3 {
        let permit = circuits.try_acquire(&tenant).unwrap();
        advance(SECOND).await;
        drop(permit);
    }
    assert_eq!(circuits.state(&tenant), State::Open);
    advance(SECOND).await;
    circuits
        .try_acquire(&tenant)
        .unwrap()
        .finish(Verdict::Overload {
            retry_after: Some(9 * SECOND),
        });
    let refused = circuits.try_acquire(&tenant).unwrap_err();
    assert_eq!(refused.retry_after(), Some(9 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_in_use_is_not_forgotten() {
    let circuits = circuits().forget_after(SECOND);
    assert!(fail(&circuits, 1));
    let held = circuits.try_acquire(&1).unwrap();
    advance(100 * SECOND).await;
    (0..100).for_each(|key| circuits.try_acquire(&(1_000 + key)).unwrap().success());
    held.failure();
    assert!(fail(&circuits, 1));
    assert_eq!(circuits.state(&1), State::Open);
}
