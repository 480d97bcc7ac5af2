//! What a circuit costs and when it opens, beside other breakers: calls that succeed, refusals,
//! keys, and the moment at which it is probed.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

use std::future::{Ready, ready};
use std::hint::black_box;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use failsafe::CircuitBreaker as _;
use futures_util::FutureExt as _;
use recloser::Recloser;
use tokio::time::Instant;
use tower::{Layer, Service, service_fn};
use tower_resilience_circuitbreaker::{
    CircuitBreakerConfigBuilder, CircuitBreakerLayer, SlidingWindowType,
};
use towerblock_breaker::{Backoff, BreakerLayer, Circuit, Circuits, Policy, Probes, Window};
use towerblock_core::{BoxError, TenantId};

const LONG: Duration = Duration::from_secs(3_600);

fn main() -> Result<(), BoxError> {
    println!("| a call that succeeds | one thread | | two threads, one circuit | |");
    println!("|---|--:|--:|--:|--:|");
    compare(&calls(), true);
    println!("\n| a call that is refused | one thread | |");
    println!("|---|--:|--:|");
    compare(&refusals(), false);
    println!("\n| a healthy key | one thread | |");
    println!("|---|--:|--:|");
    compare(&keys()?, false);
    opens_after();
    storm();
    flood()
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

/// A service that is polled until it is ready, called, and whose answer is there at once.
fn service<S>(name: &'static str, svc: S) -> Subject
where
    S: Service<()> + Clone + Send + Sync + 'static,
{
    let run = Box::new(move |times| {
        let mut svc = svc.clone();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..times {
            assert!(matches!(svc.poll_ready(&mut cx), Poll::Ready(Ok(()))));
            let answer = svc.call(()).now_or_never();
            black_box(answer.expect("at once").is_ok());
        }
    });
    Subject { name, run }
}

fn works((): ()) -> Ready<Result<(), BoxError>> {
    ready(Ok(()))
}

/// It neither waits nor is abandoned, so nothing need be timed.
fn untimed(policy: Policy) -> Policy {
    policy.abandoned_after(Duration::MAX)
}

fn ours(policy: Policy) -> impl Service<(), Error = BoxError> + Clone + Send + Sync {
    BreakerLayer::new(Circuit::new("bench", policy)).layer(service_fn(works))
}

type Peer<C> = tower_resilience_circuitbreaker::CircuitBreaker<
    tower::util::ServiceFn<fn(()) -> Ready<Result<(), BoxError>>>,
    C,
>;

fn peer() -> CircuitBreakerConfigBuilder<
    tower_resilience_circuitbreaker::DefaultClassifier,
> {
    CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_size(100)
        .minimum_number_of_calls(20)
        .wait_duration_in_open(LONG)
}
