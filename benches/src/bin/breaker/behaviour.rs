use std::fs;
use std::future::{pending, ready};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use failsafe::CircuitBreaker as _;
use failsafe::{backoff, failure_policy};
use futures_util::FutureExt as _;
use recloser::Recloser;
use tokio::time::Instant;
use tower::{Layer, service_fn};
use tower_resilience_circuitbreaker as resilience;
use towerblock_breaker::{Backoff, BreakerLayer, Circuit, Policy, Probes, Window};

use crate::subjects::{LONG, answer, call, half_of_100, layer, of_tenants, peer, recloser_refuses};

const SHORT: Duration = Duration::from_millis(20);

/// Nanoseconds for a call where a window of 10 seconds holds 40,000: ours and
/// tower-resilience's.
pub(crate) fn in_a_full_window() -> [f64; 2] {
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
pub(crate) fn opens_after(successes: usize) -> [usize; 3] {
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
pub(crate) fn storm() -> [(&'static str, usize); 3] {
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
pub(crate) fn flood() {
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

pub(crate) fn p50_and_p99(mut nanos: Vec<f64>) -> String {
    nanos.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| {
        *nanos
            .get(nanos.len() * percent / 100)
            .expect("there are some")
    };
    format!("p50 {:.0} ns, p99 {:.0} ns", at(50), at(99))
}

/// In KiB.
pub(crate) fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    words.and_then(|it| it.parse().ok()).unwrap_or_default()
}
