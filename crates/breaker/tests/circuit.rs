//! What a user of a circuit can rely on.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{advance, sleep, timeout};
use towerblock_breaker::{
    Backoff, Circuit, Fault, Permit, Policy, Probes, Registry, RetryBudget, State, Verdict, Window,
};
use towerblock_core::{BoxError, Reason, Rejected, Stats, Value};

const SECOND: Duration = Duration::from_secs(1);

fn policy() -> Policy {
    Policy::in_a_row(3)
        .backoff(Backoff::from(SECOND).jitter_percent(0))
        .probes(Probes::calls(1))
}

fn open(circuit: &Circuit) {
    while let Ok(permit) = circuit.try_acquire() {
        permit.failure();
    }
}

fn count(stats: &impl Stats, name: &str) -> Value {
    let mut found = None;
    stats.read(&mut |metric, _, value| {
        if metric.name == name {
            found = Some(value);
        }
    });
    found.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_who_why_and_until_when() {
    let circuit = Circuit::new("billing", policy());
    open(&circuit);
    advance(SECOND / 4).await;
    let refused = circuit.try_acquire().unwrap_err();
    assert_eq!(
        (refused.by(), refused.reason()),
        ("billing", Reason::CircuitOpen)
    );
    assert_eq!(refused.retry_after(), Some(SECOND * 3 / 4));
    assert_eq!(circuit.refuses(), Some(refused));
    circuit.force_open();
    assert_eq!(circuit.try_acquire().unwrap_err().retry_after(), None);
    advance(1_000_000 * SECOND).await;
    assert!(circuit.try_acquire().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_late_has_failed_and_early_tells_nothing() {
    for (policy, after, opens) in [
        (policy(), Duration::from_millis(1_000), true),
        (policy(), Duration::from_millis(999), false),
        (policy().slow_over(3 * SECOND), 2 * SECOND, false),
        (policy().slow_over(3 * SECOND), 3 * SECOND, true),
        (policy().abandoned_after(SECOND / 10), SECOND / 10, true),
        (
            policy().abandoned_after(Duration::MAX),
            1_000_000 * SECOND,
            false,
        ),
    ] {
        let circuit = Circuit::new("hangs", policy);
        for _ in 0..3 {
            let call = async {
                let _permit = circuit.try_acquire().unwrap();
                sleep(Duration::MAX).await;
            };
            assert!(timeout(after, call).await.is_err());
        }
        assert_eq!(
            circuit.state() == State::Open,
            opens,
            "{policy:?}, {after:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_early_makes_room_and_late_has_failed() {
    let circuit = Circuit::new("hangs", policy());
    open(&circuit);
    advance(SECOND).await;
    for _ in 0..10 {
        drop(circuit.try_acquire().unwrap());
        assert_eq!(circuit.state(), State::HalfOpen);
    }
    let probe = circuit.try_acquire().unwrap();
    advance(SECOND).await;
    drop(probe);
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn tower_resilience_a_panic_is_a_failure() {
    let circuit = Circuit::new("panics", policy());
    for _ in 0..3 {
        let call = || {
            let _permit = circuit.try_acquire().unwrap();
            panic!("a bug");
        };
        catch_unwind(AssertUnwindSafe(call)).unwrap_err();
    }
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn slow_calls_open_it() {
    let window = Window::calls(10).at_least(4).slow_percent(50);
    let circuit = Circuit::new("slow", Policy::rate(window).slow_over(SECOND));
    let call = async |time| {
        let permit = circuit.try_acquire().unwrap();
        sleep(time).await;
        permit.success();
    };
    for _ in 0..3 {
        call(SECOND).await;
    }
    for slow in 0..3 {
        assert_eq!(circuit.state(), State::Closed, "{slow} of {}", 3 + slow);
        call(SECOND + Duration::from_millis(1)).await;
    }
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn it_stays_open_as_long_as_the_dependency_asks_up_to_its_own_limit() {
    let year = 365 * 24 * 3_600 * SECOND;
    for (asked, waits) in [
        (SECOND / 2, SECOND),
        (7 * SECOND, 7 * SECOND),
        (year, 60 * SECOND),
    ] {
        let circuit = Circuit::new("busy", policy());
        for _ in 0..3 {
            let retry_after = Some(asked);
            let permit = circuit.try_acquire().unwrap();
            permit.finish(Verdict::Overload { retry_after });
        }
        let refused = circuit.try_acquire().unwrap_err();
        assert_eq!(refused.retry_after(), Some(waits));
    }
}

#[tokio::test(start_paused = true)]
async fn of_ten_thousand_at_the_deadline_the_probes_pass() {
    let circuit = Circuit::new("storm", policy().probes(Probes::calls(7)));
    open(&circuit);
    advance(SECOND).await;
    let mut storm = JoinSet::new();
    let barrier = Arc::new(Barrier::new(10_000));
    for _ in 0..10_000 {
        let (circuit, barrier) = (circuit.clone(), Arc::clone(&barrier));
        storm.spawn(async move {
            let permit = circuit.try_acquire();
            barrier.wait().await;
            permit.map(Permit::success).is_ok()
        });
    }
    let passed = storm.join_all().await;
    assert_eq!(passed.into_iter().filter(|passed| *passed).count(), 7);
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn tower_resilience_what_is_told_of_the_state_is_the_state() {
    let circuit = Circuit::new("told", policy());
    let mut told = circuit.watch();
    let state = |circuit: &Circuit| count(circuit, "breaker_state");
    assert_eq!(state(&circuit), Value::Level(0.0));
    open(&circuit);
    assert_eq!(state(&circuit), Value::Level(2.0));
    told.changed().await.unwrap();
    let opened = *told.borrow_and_update();
    assert_eq!(
        (opened.from, opened.to, opened.generation),
        (State::Closed, State::Open, 1)
    );
    advance(SECOND).await;
    let probe = circuit.try_acquire().unwrap();
    assert_eq!(state(&circuit), Value::Level(1.0));
    probe.success();
    assert_eq!(state(&circuit), Value::Level(0.0));
    let closed = *told.borrow_and_update();
    assert_eq!(
        (closed.from, closed.to, closed.generation),
        (State::HalfOpen, State::Closed, 3)
    );
    circuit.force_open();
    assert_eq!(state(&circuit), Value::Level(3.0));
    circuit.force_closed();
    assert_eq!(state(&circuit), Value::Level(4.0));
    assert!(told.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn everything_is_counted() {
    let circuit = Circuit::new("counted", policy());
    let late = circuit.try_acquire().unwrap();
    drop(circuit.try_acquire());
    open(&circuit);
    late.success();
    for (name, times) in [
        ("breaker_opened", 1),
        ("breaker_failed", 3),
        ("breaker_refused", 1),
        ("breaker_abandoned", 1),
        ("breaker_stale", 1),
        ("breaker_degraded", 0),
    ] {
        assert_eq!(count(&circuit, name), Value::Count(times), "{name}");
    }
    let mut described = circuit.describe().iter().map(|metric| metric.name);
    assert!(described.all(|name| count(&circuit, name) != Value::Count(99)));
}

#[test]
fn a_success_from_before_is_not_one_of_now() {
    let circuit = Circuit::new("late", policy());
    let late = [(); 2].map(|()| circuit.try_acquire().unwrap());
    circuit.force_closed();
    circuit.release();
    for _ in 0..2 {
        circuit.try_acquire().unwrap().failure();
    }
    // It would end the row.
    late.into_iter().for_each(Permit::success);
    assert_eq!(count(&circuit, "breaker_stale"), Value::Count(2));
    circuit.try_acquire().unwrap().failure();
    assert_eq!(circuit.state(), State::Open);
}

#[test]
fn a_registry_finds_forces_and_reads_its_circuits_by_name() {
    let circuits = Registry::new();
    let first = Circuit::new("b", policy());
    circuits.add(&first);
    circuits.add(&Circuit::new("a", policy()));
    let names: Vec<_> = circuits.list().iter().map(Circuit::name).collect();
    assert_eq!(names, ["a", "b"]);
    circuits.get("b").unwrap().force_open();
    assert_eq!(first.state(), State::ForcedOpen);
    circuits.get("b").unwrap().release();
    assert_eq!(first.state(), State::Closed);
    let mut seen = Vec::new();
    circuits.read(&mut |metric, label, _| seen.push((metric.name, label.to_owned())));
    assert!(seen.contains(&("breaker_state", "a".to_owned())));
    assert_eq!(seen.len(), 2 * circuits.describe().len());
}

#[tokio::test(start_paused = true)]
async fn an_error_knows_whose_fault_it_is() {
    use std::io::{Error, ErrorKind};
    let verdict = |error: BoxError| error.verdict();
    assert_eq!(verdict("broken".into()), Verdict::Failure);
    let refused = Rejected::new("pool", Reason::OverShare);
    assert_eq!(verdict(refused.into()), Verdict::Ignore);
    assert_eq!(
        verdict(Error::from(ErrorKind::NotFound).into()),
        Verdict::Success
    );
    assert_eq!(
        verdict(Error::from(ErrorKind::TimedOut).into()),
        Verdict::Failure
    );
    // It wraps the refusal, which is then the cause.
    let wrapped = Error::other(Wraps(refused));
    assert_eq!(
        verdict(Box::new(wrapped)),
        Verdict::Failure,
        "an error of I/O comes first"
    );
    assert_eq!(verdict(Box::new(Wraps(refused))), Verdict::Ignore);
}

#[derive(Debug)]
struct Wraps(Rejected);

impl std::fmt::Display for Wraps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("wrapped")
    }
}

impl std::error::Error for Wraps {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn while_all_fails_retries_end() {
    let budget = RetryBudget::percent(20).reserve(10);
    let mut tried = 0_u32;
    for _ in 0..10_000 {
        // A client that would try four times more, and a hedge beside it.
        tried += 1 + (0..5).filter(|_| budget.withdraw()).count() as u32;
    }
    assert_eq!(tried, 10_010);
    let granted = count(&budget, "retry_budget_retries");
    assert_eq!(
        granted,
        Value::Count(5 * 10_000 - 10),
        "the last is the refused"
    );
}

#[test]
fn retries_are_a_share_of_what_needs_none() {
    let budget = RetryBudget::percent(20).reserve(10);
    let mut retries = 0;
    for n in 0..10_000 {
        if n % 2 == 0 {
            budget.deposit();
        } else if budget.withdraw() {
            retries += 1;
        }
    }
    assert!((1_000..=1_010).contains(&retries), "{retries}");
    // It is never more than full.
    (0..10_000).for_each(|_| budget.deposit());
    assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 10);
}

#[test]
fn there_are_no_retries_while_the_circuit_is_not_closed() {
    let circuit = Circuit::new("open", policy());
    let budget = RetryBudget::default().unless_open(circuit.clone());
    assert!(budget.withdraw());
    circuit.force_open();
    assert!(!budget.withdraw());
    circuit.release();
    assert!(budget.withdraw());
    // It takes nothing that it does not give.
    assert_eq!(count(&budget, "retry_budget_tokens"), Value::Level(8.0));
}
