//! What a user of the layer can rely on.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock;
use towerblock_breaker::{
    Backoff, Breaker, BreakerLayer, Circuit, Circuits, Policy, Probes, ResponseFuture, State,
    Verdict,
};
use towerblock_core::{BoxError, Reason, Rejected};
use towerblock_respond::RespondLayer;
use towerblock_testkit::laws::{obeys_the_service_contract, shares_state_across_routes};

const SECOND: Duration = Duration::from_secs(1);

fn circuit(failures: u32) -> Circuit {
    let backoff = Backoff::from(SECOND).jitter_percent(0);
    let policy = Policy::in_a_row(failures).backoff(backoff);
    Circuit::new("inner", policy.probes(Probes::calls(1)))
}

fn open(circuit: &Circuit) {
    while let Ok(permit) = circuit.try_acquire() {
        permit.failure();
    }
}

fn reason(error: &BoxError) -> Option<Reason> {
    error.downcast_ref().map(Rejected::reason)
}

#[tokio::test(start_paused = true)]
async fn it_obeys_the_service_contract() {
    obeys_the_service_contract(BreakerLayer::new(circuit(1_000))).await;
}

#[tokio::test(start_paused = true)]
async fn two_routes_of_a_router_share_one_circuit() {
    let circuit = circuit(3);
    let unavailable = |result: &Result<axum::response::Response, Infallible>| {
        Verdict::failure_if(
            result
                .as_ref()
                .is_ok_and(|it| it.status() == StatusCode::OK),
        )
    };
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(BreakerLayer::new(circuit.clone()).classify(unavailable));
    shares_state_across_routes(stack, async |routes| {
        let statuses = routes.alternate(5).await;
        let (ok, refused) = (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(statuses, [ok, ok, ok, refused, refused]);
    })
    .await;
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_refuses_though_the_inner_service_is_never_ready() {
    let circuit = circuit(1);
    open(&circuit);
    let (mut svc, mut handle) = mock::spawn_layer::<(), (), _>(BreakerLayer::new(circuit.clone()));
    handle.allow(0);
    assert_ready_ok!(svc.poll_ready());
    let error = assert_ready_err!(task::spawn(svc.call(())).poll());
    assert_eq!(reason(&error), Some(Reason::CircuitOpen));
    // Due for a probe, it waits for the inner service like any other.
    advance(SECOND).await;
    assert_pending!(svc.poll_ready());
}

#[tokio::test(start_paused = true)]
async fn what_was_ready_without_the_inner_service_is_refused_whatever_has_changed_since() {
    let circuit = circuit(1);
    open(&circuit);
    let (mut svc, mut handle) = mock::spawn_layer::<(), (), _>(BreakerLayer::new(circuit.clone()));
    handle.allow(0);
    assert_ready_ok!(svc.poll_ready());
    circuit.force_closed();
    let error = assert_ready_err!(task::spawn(svc.call(())).poll());
    assert_eq!(reason(&error), Some(Reason::CircuitOpen));
}

/// Counts how often it was asked whether it is ready.
struct Counts(u32);

impl Service<()> for Counts {
    type Response = u32;
    type Error = BoxError;
    type Future = std::future::Ready<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0 += 1;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(self.0))
    }
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_was_ready_and_not_called_is_not_polled_again() {
    let circuit = circuit(1);
    let mut svc = BreakerLayer::new(circuit.clone()).layer(Counts(0));
    svc.ready().await.unwrap();
    open(&circuit);
    assert!(svc.call(()).await.is_err());
    circuit.force_closed();
    assert_eq!(svc.ready().await.unwrap().call(()).await.unwrap(), 1);
    assert_eq!(svc.ready().await.unwrap().call(()).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_clone_is_not_ready_because_the_original_was() {
    let inner = service_fn(|()| ready(Ok::<_, BoxError>(())));
    let layer = ServiceBuilder::new()
        .layer(BreakerLayer::new(circuit(1)))
        .concurrency_limit(1);
    let mut svc = layer.service(inner);
    svc.ready().await.unwrap();
    let mut clone = task::spawn(svc.clone());
    assert_pending!(clone.enter(|cx, mut svc| svc.poll_ready(cx)));
    drop(svc);
    assert_ready_ok!(clone.enter(|cx, mut svc| svc.poll_ready(cx)));
}

#[tokio::test(start_paused = true)]
async fn tower_resilience_calls_that_a_timeout_outside_cuts_off_open_it() {
    let circuit = circuit(10);
    let mut svc = ServiceBuilder::new()
        .timeout(2 * SECOND)
        .layer(BreakerLayer::new(circuit.clone()))
        .service(service_fn(|()| pending::<Result<(), BoxError>>()));
    for _ in 0..10 {
        assert!(svc.ready().await.unwrap().call(()).await.is_err());
    }
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_waits_for_tells_nothing() {
    let circuit = circuit(1);
    let svc = BreakerLayer::new(circuit.clone())
        .layer(service_fn(|()| pending::<Result<(), BoxError>>()));
    for polls in 0..3 {
        let mut call = task::spawn(svc.clone().oneshot(()));
        (0..polls).for_each(|_| assert_pending!(call.poll()));
        advance(SECOND / 2).await;
        drop(call);
    }
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_at_any_point_is_given_back_once() {
    let circuit = circuit(1);
    open(&circuit);
    advance(SECOND).await;
    let (mut svc, mut handle) = mock::spawn_layer::<(), (), _>(BreakerLayer::new(circuit.clone()));
    for polls in 0..3 {
        assert_ready_ok!(svc.poll_ready());
        let mut probe = task::spawn(svc.call(()));
        assert!(circuit.refuses().is_some(), "it is out");
        (0..polls).for_each(|_| assert_pending!(probe.poll()));
        drop(probe);
        assert!(circuit.refuses().is_none(), "it is back");
        drop(handle.next_request().await);
    }
    assert_ready_ok!(svc.poll_ready());
    let mut probe = task::spawn(svc.call(()));
    handle.next_request().await.unwrap().1.send_response(());
    assert_ready_ok!(probe.poll());
    assert_eq!(circuit.state(), State::Closed);
    // Finished, it has reported: kept or dropped, there is nothing more to say.
    open(&circuit);
    drop(probe);
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn tower_resilience_a_panic_anywhere_is_a_failure() {
    let call_panics = service_fn(|panics: bool| {
        assert!(!panics, "a bug in call");
        ready(Ok::<_, BoxError>(()))
    });
    let poll_panics = service_fn(|panics: bool| async move {
        assert!(!panics, "a bug in poll");
        Ok::<_, BoxError>(())
    });
    let classify_panics = |_: &Result<(), BoxError>| -> Verdict { panic!("a bug in classify") };
    let circuit = circuit(3);
    let layer = BreakerLayer::new(circuit.clone());
    let in_call = layer.layer(call_panics);
    tokio::spawn(in_call.oneshot(true)).await.unwrap_err();
    let in_poll = layer.layer(poll_panics);
    tokio::spawn(in_poll.oneshot(true)).await.unwrap_err();
    assert_eq!(circuit.state(), State::Closed);
    let in_classify = layer.classify(classify_panics).layer(poll_panics);
    tokio::spawn(in_classify.oneshot(false)).await.unwrap_err();
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_as_many_reach_the_inner_service_as_there_are_probes() {
    let policy = Policy::in_a_row(1).probes(Probes::calls(5));
    let circuit = Circuit::new("storm", policy);
    open(&circuit);
    advance(5 * SECOND).await;
    let (svc, mut handle) = mock::pair::<(), ()>();
    let svc = BreakerLayer::new(circuit.clone()).layer(svc);
    let mut storm = tokio::task::JoinSet::new();
    (0..10_000).for_each(|_| {
        storm.spawn(svc.clone().oneshot(()));
    });
    drop(svc);
    let mut reached = 0;
    while let Some((_, respond)) = handle.next_request().await {
        respond.send_response(());
        reached += 1;
        if reached == 5 {
            break;
        }
    }
    let results = storm.join_all().await;
    assert_eq!(results.iter().filter(|it| it.is_ok()).count(), 5);
    assert!(handle.next_request().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn it_works_under_buffer_steer_and_retry() {
    let circuit = circuit(2);
    let broken = service_fn(|_: u32| ready(Err::<(), _>(BoxError::from("broken"))));
    let breaker = BreakerLayer::new(circuit.clone()).layer(broken);
    let steer = tower::steer::Steer::new(
        [breaker.clone(), breaker.clone()],
        |request: &u32, _: &[_]| *request as usize % 2,
    );
    let mut buffer = tower::buffer::Buffer::new(steer, 8);
    for request in 0..2 {
        let failed = buffer.ready().await.unwrap().call(request).await;
        assert_eq!(reason(&failed.unwrap_err()), None);
    }
    for request in 2..6 {
        let failed = buffer.ready().await.unwrap().call(request).await;
        assert_eq!(reason(&failed.unwrap_err()), Some(Reason::CircuitOpen));
    }
}

#[cfg(feature = "retry")]
#[tokio::test(start_paused = true)]
async fn nested_retries_share_a_budget_and_end_with_the_circuit() {
    use std::future::Ready;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use towerblock_breaker::{RetryBudget, RetryBudgetLayer};

    #[derive(Clone)]
    struct Thrice(u32);

    impl<T> tower::retry::Policy<(), T, BoxError> for Thrice {
        type Future = Ready<()>;

        fn retry(&mut self, _: &mut (), result: &mut Result<T, BoxError>) -> Option<Ready<()>> {
            self.0 = self.0.checked_sub(1)?;
            result.is_err().then(|| ready(()))
        }

        fn clone_request(&mut self, (): &()) -> Option<()> {
            Some(())
        }
    }

    let tries = Arc::new(AtomicU32::new(0));
    let broken = |tries: Arc<AtomicU32>| {
        service_fn(move |()| {
            tries.fetch_add(1, Ordering::Relaxed);
            ready(Err::<(), _>(BoxError::from("broken")))
        })
    };
    let budget = RetryBudget::percent(20).reserve(10);
    let svc = ServiceBuilder::new()
        .layer(RetryBudgetLayer::new(Thrice(3), budget.clone()))
        .layer(RetryBudgetLayer::new(Thrice(3), budget))
        .service(broken(Arc::clone(&tries)));
    for _ in 0..1_000 {
        svc.clone().oneshot(()).await.unwrap_err();
    }
    assert_eq!(tries.load(Ordering::Relaxed), 1_010);

    let circuit = circuit(4);
    let budget = RetryBudget::default().unless_open(circuit.clone());
    tries.store(0, Ordering::Relaxed);
    let svc = ServiceBuilder::new()
        .layer(RetryBudgetLayer::new(Thrice(9), budget))
        .layer(BreakerLayer::new(circuit))
        .service(broken(Arc::clone(&tries)));
    for _ in 0..100 {
        svc.clone().oneshot(()).await.unwrap_err();
    }
    assert_eq!(tries.load(Ordering::Relaxed), 4);
}

#[cfg(feature = "retry")]
#[tokio::test]
async fn what_fails_and_is_not_tried_again_pays_for_no_retry() {
    use towerblock_breaker::{RetryBudget, RetryBudgetLayer};

    #[derive(Clone)]
    struct Never;

    impl<T> tower::retry::Policy<bool, T, BoxError> for Never {
        type Future = std::future::Ready<()>;

        fn retry(&mut self, _: &mut bool, _: &mut Result<T, BoxError>) -> Option<Self::Future> {
            None
        }

        fn clone_request(&mut self, works: &bool) -> Option<bool> {
            Some(*works)
        }
    }

    let budget = RetryBudget::percent(100).reserve(0);
    let svc = RetryBudgetLayer::new(Never, budget.clone()).layer(service_fn(|works| {
        ready(if works {
            Ok(())
        } else {
            Err(BoxError::from("broken"))
        })
    }));
    for _ in 0..10 {
        svc.clone().oneshot(false).await.unwrap_err();
    }
    assert!(!budget.withdraw());
    svc.clone().oneshot(true).await.unwrap();
    assert!(budget.withdraw());
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn a_fallback_answers_reads_only_is_marked_counted_and_never_judged() {
    use http::{Method, Request, Response};
    use towerblock_breaker::FallbackLayer;
    use towerblock_core::{Degraded, Stats, Value};

    let circuit = circuit(1);
    let stale = |req: &Request<String>, rejected: &Rejected| {
        assert_eq!(rejected.reason(), Reason::CircuitOpen);
        (req.uri().path() != "/none").then(|| Response::new("stale".to_owned()))
    };
    let layer = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(FallbackLayer::new(circuit.clone(), stale))
        .layer(BreakerLayer::new(circuit.clone()));
    obeys_the_service_contract(layer.clone()).await;
    let svc = layer.service(service_fn(|_: Request<String>| {
        ready(Ok::<_, BoxError>(Response::new("fresh".to_owned())))
    }));
    let send = async |method: Method, path: &str| {
        let mut req = Request::new(String::new());
        *req.method_mut() = method;
        *req.uri_mut() = path.parse().unwrap();
        let response = svc.clone().oneshot(req).await.unwrap();
        let degraded = response.extensions().get::<Degraded>().is_some();
        (response.status().as_u16(), degraded)
    };
    assert_eq!(send(Method::GET, "/").await, (200, false));
    open(&circuit);
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        assert_eq!(send(method, "/").await, (200, true));
    }
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        assert_eq!(send(method, "/").await, (503, false));
    }
    assert_eq!(send(Method::GET, "/none").await, (503, false));
    let mut degraded = None;
    circuit.read(&mut |metric, _, value| {
        if metric.name == "breaker_degraded" {
            degraded = Some(value);
        }
    });
    assert_eq!(degraded, Some(Value::Count(3)));
    assert_eq!(circuit.state(), State::Open);
    // Due for a probe, the dependency is asked again.
    advance(SECOND).await;
    assert_eq!(send(Method::GET, "/").await, (200, false));
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_passes_and_tells_nothing() {
    let circuit = circuit(1);
    let (mut svc, mut handle) = mock::spawn_layer::<(), (), _>(BreakerLayer::new(circuit.clone()));
    handle.send_error("closed");
    assert!(matches!(svc.poll_ready(), Poll::Ready(Err(_))));
    assert_eq!(circuit.state(), State::Closed);
}

/// Compiles, or a caller's `Arc`, `Router` or `Buffer` breaks.
#[test]
fn auto_traits() {
    fn shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn sendable<T: Send + Sync>() {}
    shareable::<Breaker<()>>();
    shareable::<BreakerLayer>();
    shareable::<Circuit>();
    shareable::<Circuits<u64>>();
    sendable::<ResponseFuture<std::future::Ready<()>, ()>>();
    sendable::<towerblock_breaker::Permit<'_>>();
    sendable::<towerblock_breaker::KeyedPermit<'static, u64>>();
}
