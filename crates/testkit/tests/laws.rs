//! The laws let good layers pass and catch the classic bugs.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use tower::Service;
use tower::layer::layer_fn;
use tower::layer::util::Identity;
use towerblock_testkit::{
    at_every_poll, obeys_the_service_contract, poll_times, shares_state_across_routes,
};

#[tokio::test]
async fn a_layer_that_does_nothing_obeys() {
    obeys_the_service_contract(Identity::new()).await;
}

#[tokio::test]
async fn calling_a_clone_that_was_not_polled_is_caught() {
    let test = async { obeys_the_service_contract(layer_fn(|inner| CallsClone { inner })).await };
    assert!(tokio::spawn(test).await.unwrap_err().is_panic());
}

#[tokio::test]
async fn a_limit_that_is_shared_obeys() {
    let used = Arc::new(AtomicUsize::new(0));
    let layer = layer_fn(move |inner| Limited::new(inner, &used));
    shares_state_across_routes(layer, 3).await;
}

#[tokio::test]
async fn a_limit_for_each_route_is_caught() {
    let layer = layer_fn(|inner| Limited::new(inner, &Arc::default()));
    let test = async move { shares_state_across_routes(layer, 3).await };
    assert!(tokio::spawn(test).await.unwrap_err().is_panic());
}

#[tokio::test]
async fn a_future_is_dropped_after_each_of_its_polls() {
    let alive = Arc::new(());
    let work = || {
        let held = Arc::clone(&alive);
        async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            drop(held);
        }
    };
    let mut dropped = Vec::new();
    let polls = at_every_poll(work, async |k| {
        assert_eq!(Arc::strong_count(&alive), 1);
        dropped.push(k);
    });
    assert_eq!(polls.await, 4);
    assert_eq!(dropped, [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_future_that_waits_is_polled_when_it_is_woken() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let waiting = tokio::spawn(poll_times(2, receiver));
    tokio::task::yield_now().await;
    sender.send(7).unwrap();
    assert_eq!(waiting.await.unwrap(), Some(Ok(7)));
}

/// The bug that `service_fn` forgives.
#[derive(Clone)]
struct CallsClone<S> {
    inner: S,
}

impl<S, Req> Service<Req> for CallsClone<S>
where
    S: Service<Req> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Req) -> S::Future {
        self.inner.clone().call(req)
    }
}

/// Admits three requests, ever.
#[derive(Clone)]
struct Limited<S> {
    inner: S,
    used: Arc<AtomicUsize>,
}

impl<S> Limited<S> {
    fn new(inner: S, used: &Arc<AtomicUsize>) -> Self {
        let used = Arc::clone(used);
        Self { inner, used }
    }
}

impl<S, B> Service<Request<B>> for Limited<S>
where
    S: Service<Request<B>, Response = Response>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        if self.used.fetch_add(1, Ordering::Relaxed) < 3 {
            return Box::pin(self.inner.call(req));
        }
        Box::pin(async { Ok(StatusCode::TOO_MANY_REQUESTS.into_response()) })
    }
}
