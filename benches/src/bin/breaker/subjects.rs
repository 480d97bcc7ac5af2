use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use failsafe::CircuitBreaker as _;
use failsafe::{backoff, failure_policy};
use recloser::Recloser;
use tower::{Layer, Service, service_fn};
use tower_resilience_circuitbreaker as resilience;
use towerblock_breaker::{Backoff, BreakerLayer, Circuit, Circuits, Policy, Window};
use towerblock_core::{BoxError, TenantId};

pub(crate) const PEER: &str = "tower-resilience 0.14, rate of 100 calls";
pub(crate) const ALONE: &str = "a circuit of its own, taken and told";
pub(crate) const LONG: Duration = Duration::from_secs(3_600);

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// So many calls.
    pub(crate) run: Box<dyn Fn(usize) + Send + Sync>,
}

pub(crate) fn subject(name: &'static str, once: impl Fn() + Send + Sync + 'static) -> Subject {
    let run = Box::new(move |times| (0..times).for_each(|_| once()));
    Subject { name, run }
}

/// A service that is polled until it is ready, called, and answers at once.
pub(crate) fn service<S>(name: &'static str, svc: S) -> Subject
where
    S: Service<bool> + Clone + Send + Sync + 'static,
{
    let run = Box::new(move |times| {
        let mut svc = svc.clone();
        (0..times).for_each(|_| {
            black_box(call(&mut svc, true));
        });
    });
    Subject { name, run }
}

/// Whether it was `Ok`.
pub(crate) fn call<S: Service<bool>>(svc: &mut S, works: bool) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    // One that waits for a lock is asked again until it has it, as by a busy runtime.
    while svc.poll_ready(&mut cx).is_pending() {
        thread::yield_now();
    }
    let mut answer = pin!(svc.call(works));
    loop {
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut cx) {
            return answer.is_ok();
        }
        thread::yield_now();
    }
}

pub(crate) fn answer(works: bool) -> Ready<Result<(), &'static str>> {
    ready(if works { Ok(()) } else { Err("broken") })
}

/// With no call that may be abandoned, nothing need be timed.
pub(crate) fn untimed(policy: Policy) -> Policy {
    policy.abandoned_after(Duration::MAX)
}

pub(crate) fn half_of_100() -> Policy {
    Policy::rate(Window::calls(100).at_least(100)).backoff(Backoff::from(LONG).at_most(LONG))
}

pub(crate) fn layer(policy: Policy) -> BreakerLayer {
    BreakerLayer::new(Circuit::new("bench", policy))
}

pub(crate) fn peer() -> resilience::CircuitBreakerConfigBuilder {
    resilience::CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_size(100)
        .minimum_number_of_calls(100)
        .permitted_calls_in_half_open(5)
        .wait_duration_in_open(LONG)
}

pub(crate) fn calls() -> Vec<Subject> {
    let in_10_s = Window::time(Duration::from_secs(10));
    let slow = Duration::from_secs(1);
    let [in_a_row, rate, slow_rate] = [
        untimed(Policy::in_a_row(5)),
        untimed(half_of_100()),
        half_of_100().slow_over(slow),
    ]
    .map(|policy| Circuit::new("bench", policy));
    let through = |peer: resilience::CircuitBreakerConfigBuilder| {
        peer.build().expect("valid").layer(service_fn(answer))
    };
    let recloser = Recloser::custom().closed_len(100).build();
    let failsafe = failsafe::Config::new().build();
    vec![
        service("bare service", service_fn(answer)),
        service(
            "`BreakerLayer`, failures in a row",
            layer(Policy::in_a_row(5)).layer(service_fn(answer)),
        ),
        service(
            "`BreakerLayer`, rate of 100 calls (the default)",
            layer(half_of_100()).layer(service_fn(answer)),
        ),
        service(
            "`BreakerLayer`, rate of 100 calls, slow calls timed",
            layer(half_of_100().slow_over(slow)).layer(service_fn(answer)),
        ),
        service(
            "`BreakerLayer`, rate of 10 s",
            layer(Policy::rate(in_10_s)).layer(service_fn(answer)),
        ),
        service(PEER, through(peer())),
        service(
            "tower-resilience 0.14, slow calls timed",
            through(peer().slow_call_duration_threshold(slow)),
        ),
        subject("`try_acquire`, failures in a row, untimed", move || {
            in_a_row.try_acquire().expect("closed").success();
        }),
        subject("`try_acquire`, rate of 100 calls, untimed", move || {
            rate.try_acquire().expect("closed").success();
        }),
        subject("`try_acquire`, rate, slow calls timed", move || {
            slow_rate.try_acquire().expect("closed").success();
        }),
        subject("recloser 1.4, rate of 100 calls", move || {
            let worked = recloser.call(|| Ok::<_, ()>(()));
            assert!(black_box(worked).is_ok());
        }),
        subject("failsafe 1.3, its default", move || {
            let worked = failsafe.call(|| Ok::<_, ()>(()));
            assert!(black_box(worked).is_ok());
        }),
    ]
}

pub(crate) fn refusals() -> Vec<Subject> {
    let one = || Policy::in_a_row(1).backoff(Backoff::from(LONG).at_most(LONG));
    let circuit = Circuit::new("bench", one());
    circuit.try_acquire().expect("closed").failure();
    let mut through = layer(one()).layer(service_fn(answer));
    call(&mut through, false);
    let resilience = peer().consecutive_failures(1).build().expect("valid");
    let mut resilience = resilience.layer(service_fn(answer));
    call(&mut resilience, false);
    let recloser = Recloser::custom().closed_len(1).open_wait(LONG).build();
    while !recloser_refuses(&recloser) {}
    let policy = failure_policy::consecutive_failures(1, backoff::constant(LONG));
    let failsafe = failsafe::Config::new().failure_policy(policy).build();
    let _failed = failsafe.call(|| Err::<(), _>(()));
    let refused = |was: bool| assert!(black_box(was));
    vec![
        subject("`try_acquire`", move || {
            refused(circuit.try_acquire().is_err());
        }),
        service("`BreakerLayer`", through),
        service("tower-resilience 0.14", resilience),
        subject("recloser 1.4", move || {
            refused(recloser.call(|| Ok::<_, ()>(())).is_err());
        }),
        subject("failsafe 1.3", move || {
            refused(failsafe.call(|| Ok::<_, ()>(())).is_err());
        }),
    ]
}

pub(crate) fn of_tenants<K>() -> Circuits<K> {
    let shared = Circuit::new("shared", untimed(Policy::in_a_row(20)));
    Circuits::new(shared, untimed(Policy::in_a_row(5)))
}

pub(crate) fn keys() -> Result<Vec<Subject>, BoxError> {
    let (none, some) = (of_tenants(), of_tenants());
    for n in 0..1_000 {
        let suspect = TenantId::new(format!("suspect-{n}"))?;
        some.shared().force_closed();
        some.try_acquire(&suspect)?.failure();
        some.shared().release();
    }
    let tenants = [(); 2].map(|()| TenantId::new("healthy"));
    let [Ok(first), Ok(second)] = tenants else {
        return Err("a valid name".into());
    };
    let alone = Circuit::new("alone", untimed(Policy::in_a_row(5)));
    Ok(vec![
        subject(ALONE, move || {
            alone.try_acquire().expect("closed").success();
        }),
        subject("`Circuits`, nobody suspect, taken and told", move || {
            none.try_acquire(&first).expect("closed").success();
        }),
        subject(
            "`Circuits`, a thousand suspects, taken and told",
            move || {
                some.try_acquire(&second).expect("closed").success();
            },
        ),
    ])
}

/// Of a call that fails.
pub(crate) fn recloser_refuses(recloser: &Recloser) -> bool {
    let failed = recloser.call(|| Err::<(), _>(()));
    matches!(failed, Err(recloser::Error::Rejected))
}
