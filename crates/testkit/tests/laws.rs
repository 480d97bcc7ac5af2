//! The laws catch who breaks them.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, StatusCode};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::{JoinError, LocalSet, yield_now};
use tokio::time::sleep;
use tower::layer::layer_fn;
use tower::limit::{ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer};
use tower::load_shed::LoadShedLayer;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder};
use towerblock_respond::RespondLayer;
use towerblock_testkit::laws::{Strict, obeys_the_service_contract, shares_state_across_routes};
use towerblock_testkit::{at_every_poll, poll_times};

/// Calls what it has been told to call.
#[derive(Clone)]
struct Calls<S> {
    inner: S,
    clone: bool,
    polls: bool,
}

impl<S> Service<Request<String>> for Calls<S>
where
    S: Service<Request<String>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.polls {
            return self.inner.poll_ready(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<String>) -> S::Future {
        if self.clone {
            return self.inner.clone().call(req);
        }
        self.inner.call(req)
    }
}

fn calls(clone: bool, polls: bool) -> impl Layer<Strict, Service = Calls<Strict>> {
    layer_fn(move |inner| Calls {
        inner,
        clone,
        polls,
    })
}

#[tokio::test]
async fn a_layer_that_delegates_obeys() {
    obeys_the_service_contract(calls(false, true)).await;
}

#[tokio::test]
async fn a_layer_that_calls_a_clone_is_caught() {
    let broken = tokio::spawn(obeys_the_service_contract(calls(true, true))).await;
    assert_eq!(panic_of(broken), "called before it was ready");
}

#[tokio::test]
async fn a_layer_that_does_not_poll_the_inner_service_is_caught() {
    let broken = tokio::spawn(obeys_the_service_contract(calls(false, false))).await;
    assert_eq!(panic_of(broken), "called before it was ready");
}

fn panic_of(joined: Result<(), JoinError>) -> String {
    let panic = joined.unwrap_err().into_panic();
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap()
}

#[tokio::test]
async fn a_limit_made_with_the_layer_holds_over_both_routes_and_one_made_later_does_not() {
    let shared = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(1));
    shares_state_across_routes(shared, async |routes| {
        let held = routes.hold("/a").await.unwrap();
        assert!(routes.hold("/b").await.is_err(), "the limit is not shared");
        assert_eq!(held.release().await, StatusCode::OK);
        assert_eq!(routes.alternate(3).await, [StatusCode::OK; 3]);
        // A client that hangs up gives its place back.
        drop(routes.hold("/a").await.unwrap());
        while routes.status("/b").await != StatusCode::OK {
            yield_now().await;
        }
    })
    .await;

    let per_route = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(LoadShedLayer::new())
        .layer(layer_fn(|route| {
            BoxCloneSyncService::new(ConcurrencyLimitLayer::new(1).layer(route))
        }));
    shares_state_across_routes(per_route, async |routes| {
        let _held = routes.hold("/a").await.unwrap();
        assert_eq!(routes.status("/b").await, StatusCode::OK);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_future_is_dropped_at_each_of_its_awaits() {
    let room = Arc::new(Semaphore::new(1));
    let finished = AtomicUsize::new(0);
    let checked = Mutex::new(Vec::new());
    let work = || async {
        let _permit = room.acquire().await;
        sleep(Duration::from_secs(1)).await;
        sleep(Duration::from_secs(1)).await;
        finished.fetch_add(1, Ordering::Relaxed);
        7
    };
    let output = at_every_poll(work, async |polls| {
        assert_eq!(room.available_permits(), 1);
        checked.lock().await.push(polls);
    });
    assert_eq!(output.await, 7);
    assert_eq!(*checked.lock().await, [0, 1, 2]);
    assert_eq!(finished.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_a_dropped_future_leaves_behind_is_found() {
    let local = LocalSet::new();
    let leaked = local.spawn_local(async {
        let taken = AtomicUsize::new(0);
        let leaks = || async {
            taken.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
            taken.fetch_sub(1, Ordering::Relaxed);
        };
        at_every_poll(leaks, async |polls| {
            let left = taken.load(Ordering::Relaxed);
            assert_eq!(left, 0, "after {polls} polls");
        })
        .await;
    });
    assert!(panic_of(local.run_until(leaked).await).contains("after 1 polls"));
}

#[tokio::test]
async fn a_future_that_is_never_polled_does_nothing() {
    let touched = AtomicUsize::new(0);
    let touch = async { touched.fetch_add(1, Ordering::Relaxed) };
    assert_eq!(poll_times(0, touch).await, None);
    assert_eq!(touched.load(Ordering::Relaxed), 0);
}
