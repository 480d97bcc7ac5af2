//! What a circuit costs and when it opens, beside other breakers: calls that succeed, refusals,
//! keys, and the moment at which it is probed.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

use std::fs;
use std::future::{Ready, pending, ready};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use failsafe::CircuitBreaker as _;
use failsafe::{backoff, failure_policy};
use futures_util::FutureExt as _;
use recloser::Recloser;
use tokio::time::Instant;
use tower::{Layer, Service, service_fn};
use tower_resilience_circuitbreaker as resilience;
use towerblock_breaker::{Backoff, BreakerLayer, Circuit, Circuits, Policy, Probes, Window};
use towerblock_core::{BoxError, TenantId};

const PEER: &str = "tower-resilience 0.14, rate of 100 calls";
const ALONE: &str = "a circuit of its own, taken and told";
const LONG: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_millis(20);

fn main() -> Result<(), BoxError> {
    compare("a call that succeeds", &calls(), PEER);
    let [ours, peer] = in_a_full_window();
    println!(
        "\nIn a window of 10 s that holds 40,000: ours {ours:.0} ns, tower-resilience {peer:.0} ns"
    );
    // tower-resilience wants a timer where two threads meet here.
    let alone = medians(&refusals(), 1);
    println!("\n| a call that is refused | one thread |");
    println!("|---|--:|");
    for (subject, nanos) in refusals().iter().zip(alone) {
        println!("| {} | {nanos:.1} ns |", subject.name);
    }
    compare("a healthy key", &keys()?, ALONE);

    println!(
        "\n| after so many successes | failures until it opens: ours | tower-resilience | recloser |"
    );
    println!("|---|--:|--:|--:|");
    for successes in [0, 100, 10_000, 100_000] {
        let [ours, peer, recloser] = opens_after(successes);
        println!("| {successes} | {ours} | {peer} | {recloser} |");
    }

    println!("\n| 10,000 calls that hang, when it may be probed by 5 | admitted |");
    println!("|---|--:|");
    for (name, admitted) in storm() {
        println!("| {name} | {admitted} |");
    }
    flood();
    Ok(())
}

struct Subject {
    name: &'static str,
    /// So many calls.
    run: Box<dyn Fn(usize) + Send + Sync>,
}

fn subject(name: &'static str, once: impl Fn() + Send + Sync + 'static) -> Subject {
    let run = Box::new(move |times| (0..times).for_each(|_| once()));
    Subject { name, run }
}

/// A service that is polled until it is ready, called, and answers at once.
fn service<S>(name: &'static str, svc: S) -> Subject
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
fn call<S: Service<bool>>(svc: &mut S, works: bool) -> bool {
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

fn answer(works: bool) -> Ready<Result<(), &'static str>> {
    ready(if works { Ok(()) } else { Err("broken") })
}

/// With no call that may be abandoned, nothing need be timed.
fn untimed(policy: Policy) -> Policy {
    policy.abandoned_after(Duration::MAX)
}

fn half_of_100() -> Policy {
    Policy::rate(Window::calls(100).at_least(100)).backoff(Backoff::from(LONG).at_most(LONG))
}

fn layer(policy: Policy) -> BreakerLayer {
    BreakerLayer::new(Circuit::new("bench", policy))
}

fn peer() -> resilience::CircuitBreakerConfigBuilder {
    resilience::CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_size(100)
        .minimum_number_of_calls(100)
        .permitted_calls_in_half_open(5)
        .wait_duration_in_open(LONG)
}

fn calls() -> Vec<Subject> {
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

fn refusals() -> Vec<Subject> {
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

fn of_tenants<K>() -> Circuits<K> {
    let shared = Circuit::new("shared", untimed(Policy::in_a_row(20)));
    Circuits::new(shared, untimed(Policy::in_a_row(5)))
}

fn keys() -> Result<Vec<Subject>, BoxError> {
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

/// Medians of rounds in which all had their turn, in one thread and in two.
fn compare(title: &str, subjects: &[Subject], beside: &str) {
    println!("\n| {title} | one thread | | two threads at once | |");
    println!("|---|--:|--:|--:|--:|");
    let (alone, together) = (medians(subjects, 1), medians(subjects, 2));
    let place = subjects.iter().position(|subject| subject.name == beside);
    let first = |nanos: &[f64]| place.and_then(|place| nanos.get(place).copied());
    let first = |nanos: &[f64]| first(nanos).expect("it is among them");
    for ((subject, one), two) in subjects.iter().zip(&alone).zip(&together) {
        let (of_one, of_two) = (one / first(&alone), two / first(&together));
        let name = subject.name;
        println!("| {name} | {one:.1} ns | {of_one:.2} × | {two:.0} ns | {of_two:.2} × |");
    }
}

fn medians(subjects: &[Subject], threads: usize) -> Vec<f64> {
    // Threads take their time to start: they must go on for longer than that.
    let (times, rounds) = if threads == 1 {
        (1_000, 501)
    } else {
        (20_000, 21)
    };
    let mut nanos = vec![Vec::new(); subjects.len()];
    for _ in 0..rounds {
        for (subject, nanos) in subjects.iter().zip(&mut nanos) {
            let took = at_once(subject, times, threads);
            #[expect(clippy::cast_precision_loss, reason = "not many")]
            nanos.push(took.as_secs_f64() * 1e9 / times as f64);
        }
    }
    nanos.into_iter().map(middle).collect()
}

/// The longest of the threads.
fn at_once(subject: &Subject, times: usize, threads: usize) -> Duration {
    let start = Barrier::new(threads);
    let run = || {
        start.wait();
        let since = Instant::now();
        (subject.run)(times);
        since.elapsed()
    };
    if threads == 1 {
        return run();
    }
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let took = threads.into_iter().map(thread::ScopedJoinHandle::join);
        took.map(|took| took.expect("no panic")).max()
    })
    .expect("there are threads")
}

fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    *numbers.get(numbers.len() / 2).expect("there are rounds")
}

/// Of a call that fails.
fn recloser_refuses(recloser: &Recloser) -> bool {
    let failed = recloser.call(|| Err::<(), _>(()));
    matches!(failed, Err(recloser::Error::Rejected))
}

/// Nanoseconds for a call where a window of 10 seconds holds 40,000: ours and
/// tower-resilience's.
fn in_a_full_window() -> [f64; 2] {
    const HELD: u32 = 40_000;
    const TIMED: u32 = 1_000;
    let span = Duration::from_secs(10);
    let mut ours = layer(Policy::rate(Window::time(span))).layer(service_fn(answer));
    let peer = peer()
        .sliding_window_type(resilience::SlidingWindowType::TimeBased)
        .sliding_window_duration(span);
    let mut peer = peer.build().expect("valid").layer_fn(service_fn(answer));
    for _ in 0..HELD {
        call(&mut ours, true);
        call(&mut peer, true);
    }
    let since = Instant::now();
    (0..TIMED).for_each(|_| assert!(call(&mut ours, true)));
    let of_ours = since.elapsed();
    let since = Instant::now();
    (0..TIMED).for_each(|_| assert!(call(&mut peer, true)));
    [of_ours, since.elapsed()].map(|took| took.as_secs_f64() * 1e9 / f64::from(TIMED))
}

/// Ours, tower-resilience and recloser: half of the last 100 calls.
fn opens_after(successes: usize) -> [usize; 3] {
    let circuit = Circuit::new("bench", half_of_100());
    let mut ours = BreakerLayer::new(circuit.clone()).layer(service_fn(answer));
    let mut peer = peer().build().expect("valid").layer_fn(service_fn(answer));
    let recloser = Recloser::custom().closed_len(100).open_wait(LONG).build();
    for _ in 0..successes {
        call(&mut ours, true);
        call(&mut peer, true);
        let _worked = recloser.call(|| Ok::<_, ()>(()));
    }
    let mut failures = [0; 3];
    let [of_ours, of_peer, of_recloser] = &mut failures;
    while circuit.refuses().is_none() {
        call(&mut ours, false);
        *of_ours += 1;
    }
    while !peer.is_open() {
        call(&mut peer, false);
        *of_peer += 1;
    }
    while !recloser_refuses(&recloser) {
        *of_recloser += 1;
    }
    failures
}

/// How many of those who come at the deadline are let through to a dependency that hangs.
fn storm() -> [(&'static str, usize); 3] {
    let policy = Policy::in_a_row(1)
        .backoff(Backoff::from(SHORT).jitter_percent(0))
        .probes(Probes::calls(5));
    let circuit = Circuit::new("bench", policy);
    circuit.try_acquire().expect("closed").failure();
    let recloser = Recloser::custom().closed_len(1).half_open_len(5);
    let recloser = recloser::AsyncRecloser::from(recloser.open_wait(SHORT).build());
    let fail = || recloser.call(ready(Err::<(), ()>(()))).now_or_never();
    while !matches!(fail(), Some(Err(recloser::Error::Rejected))) {}
    let policy = failure_policy::consecutive_failures(1, backoff::constant(SHORT));
    let failsafe = failsafe::Config::new().failure_policy(policy).build();
    let _failed = failsafe.call(|| Err::<(), _>(()));
    // Not a test: time has to pass.
    let since = Instant::now();
    while since.elapsed() < 2 * SHORT {
        thread::yield_now();
    }

    let held: Vec<_> = (0..10_000)
        .filter_map(|_| circuit.try_acquire().ok())
        .collect();
    // Admitted, they are pending, and refused, they are not.
    let hang = || Box::pin(recloser.call(pending::<Result<(), ()>>()));
    let mut cx = Context::from_waker(Waker::noop());
    let mut hanging: Vec<_> = (0..10_000).map(|_| hang()).collect();
    let hanging = hanging
        .iter_mut()
        .map(|call| call.poll_unpin(&mut cx))
        .filter(Poll::is_pending);
    let permitted = (0..10_000).filter(|_| failsafe.is_call_permitted());
    [
        ("ours", held.len()),
        ("recloser 1.4", hanging.count()),
        ("failsafe 1.3", permitted.count()),
    ]
}

/// A million keys that fail, and a million that do not.
fn flood() {
    const KEYS: u32 = 1_000_000;
    println!("\n| a million keys | kept | memory more | first 50,000 | last 50,000 |");
    println!("|---|--:|--:|--:|--:|");
    for (name, fails) in [("that fail", true), ("that do not", false)] {
        let circuits = of_tenants::<u32>();
        // The shared circuit is to let all through.
        circuits.shared().force_closed();
        let before = resident();
        let mut nanos = Vec::new();
        for key in 0..KEYS {
            let since = Instant::now();
            let permit = circuits.try_acquire(&key).expect("each has failed once");
            if fails {
                permit.failure();
            } else {
                permit.success();
            }
            nanos.push(since.elapsed().as_secs_f64() * 1e9);
        }
        let more = resident()
            .saturating_sub(before)
            .saturating_sub(8 * u64::from(KEYS) / 1_024);
        let ends = [nanos.get(..50_000), nanos.get(950_000..)];
        let [first, last] = ends.map(|part| part.expect("a million").to_vec());
        println!(
            "| {name} | {} | {} MiB | {} | {} |",
            circuits.len(),
            more / 1_024,
            p50_and_p99(first),
            p50_and_p99(last),
        );
    }
}

fn p50_and_p99(mut nanos: Vec<f64>) -> String {
    nanos.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| {
        *nanos
            .get(nanos.len() * percent / 100)
            .expect("there are some")
    };
    format!("p50 {:.0} ns, p99 {:.0} ns", at(50), at(99))
}

/// In KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    words.and_then(|it| it.parse().ok()).unwrap_or_default()
}
