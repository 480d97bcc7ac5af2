//! What every layer obeys, run against any layer by one call.

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a broken law panics: that is how a test fails"
)]

use std::convert::Infallible;
use std::fmt::Debug;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::{Route, get};
use http::{Request, Response};
use tokio::task::yield_now;
use tower::{Layer, Service, ServiceExt};
use towerblock_core::TenantId;

/// Drives `layer` over a service as strict as [`Service`] allows, on one instance and on
/// clones in turn: prompt, slow, and with a `poll_ready` that fails.
///
/// It catches a layer that calls a clone which was not polled, that takes something and
/// does not give it back when its future is dropped, and that swallows readiness or its
/// error. Requests are of the tenant `acme`, or of none. Panics when a law is broken.
pub async fn obeys_the_service_contract<L>(layer: L)
where
    L: Layer<Strict>,
    L::Service: Service<Request<String>> + Clone + Send + Sync,
    <L::Service as Service<Request<String>>>::Error: Debug,
    <L::Service as Service<Request<String>>>::Response: Debug,
    <L::Service as Service<Request<String>>>::Future: Send,
{
    for mood in [Mood::Prompt, Mood::Slow] {
        let mut svc = layer.layer(Strict::new(mood));
        for _ in 0..3 {
            svc.ready().await.unwrap().call(of_acme()).await.unwrap();
            let mut clone = svc.clone();
            clone.ready().await.unwrap().call(of_acme()).await.unwrap();

            // Dropped before its first poll: nothing stays taken.
            drop(svc.ready().await.unwrap().call(of_acme()));
            // Without a tenant: some layers refuse, and then serve on.
            let _refusal = svc.ready().await.unwrap().call(Request::default()).await;
        }
    }
    // The failure comes out of `poll_ready` or of the one call that follows it, and
    // `Strict` is not called.
    let mut svc = layer.layer(Strict::new(Mood::Broken));
    if let Ok(svc) = svc.ready().await {
        let _report = svc.call(of_acme()).await;
    }
}

/// Sends requests of the tenant `acme` to two routes of one [`Router`] in turn, and panics
/// unless exactly the first `admitted` of them are answered with success.
///
/// axum applies a layer to each route anew: state made in `Layer::layer` would admit
/// twice as many.
pub async fn shares_state_across_routes<L>(layer: L, admitted: usize)
where
    L: Layer<Route> + Clone + Send + Sync + 'static,
    L::Service: Service<Request<Body>> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request<Body>>>::Response: IntoResponse + 'static,
    <L::Service as Service<Request<Body>>>::Error: Into<Infallible> + 'static,
    <L::Service as Service<Request<Body>>>::Future: Send + 'static,
{
    let app: Router = Router::new()
        .route("/a", get(async || "a"))
        .route("/b", get(async || "b"))
        .layer(layer);
    for n in 0..=admitted {
        let mut req = of_acme().map(Body::from);
        *req.uri_mut() = if n % 2 == 0 { "/a" } else { "/b" }.parse().unwrap();
        let status = app.clone().oneshot(req).await.unwrap().status();
        assert_eq!(
            status.is_success(),
            n < admitted,
            "request {n} of {admitted} that are admitted over both routes got {status}"
        );
    }
}

/// The inner service of [`obeys_the_service_contract`]: it must be polled until it is
/// ready before every call, and a clone starts unready. `service_fn` forgives both.
#[derive(Debug)]
pub struct Strict {
    mood: Mood,
    polls: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mood {
    Prompt,
    /// Pending once before it is ready, and once before it answers.
    Slow,
    /// Its `poll_ready` fails.
    Broken,
}

impl Strict {
    const fn new(mood: Mood) -> Self {
        Self { mood, polls: 0 }
    }

    fn is_ready(&self) -> bool {
        match self.mood {
            Mood::Prompt => self.polls > 0,
            Mood::Slow => self.polls > 1,
            Mood::Broken => false,
        }
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        // Readiness belongs to the instance that was polled.
        Self::new(self.mood)
    }
}

impl<Req> Service<Req> for Strict {
    type Response = Response<String>;
    type Error = &'static str;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.polls += 1;
        if self.mood == Mood::Broken {
            return Poll::Ready(Err("broken"));
        }
        if self.is_ready() {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, _: Req) -> Self::Future {
        assert!(self.is_ready(), "called before it was ready");
        *self = self.clone();
        let slow = self.mood == Mood::Slow;
        Box::pin(async move {
            if slow {
                yield_now().await;
            }
            Ok(Response::default())
        })
    }
}

fn of_acme() -> Request<String> {
    let mut req = Request::new(String::new());
    req.extensions_mut().insert(TenantId::new("acme").unwrap());
    req
}
