//! What a user of the layer can rely on, under the router it is made for.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::io::Write;
use std::sync::Once;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::{Router, body::Body};
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use towerblock_core::{BoxError, Degraded, Reason, Rejected};
use towerblock_respond::{Respond, RespondLayer};
use towerblock_testkit::laws::obeys_the_service_contract;

#[tokio::test]
async fn a_refusal_is_answered_as_it_asks_and_not_logged() {
    start_log();
    let busy = Rejected::new("pool", Reason::OverShare).with_retry_after(Duration::from_secs(3));
    let (head, body) = answer(move || busy.into()).await;
    assert_eq!(head.status, 429);
    assert_eq!(head.headers["retry-after"], "3");
    assert!(
        body.contains(r#""detail":"too many requests at once""#),
        "{body}"
    );
    assert_eq!(logged(), "");
}

#[tokio::test]
async fn a_refusal_deep_in_the_chain_of_sources_is_found() {
    let (head, _) = answer(|| Wrapped(Rejected::new("x", Reason::Draining)).into()).await;
    assert_eq!(head.status, 503);
}

#[tokio::test]
async fn a_degraded_answer_says_so_and_an_ordinary_one_does_not() {
    let respond = |degraded: Option<Degraded>| async move {
        let inner = service_fn(move |_: Request<()>| async move {
            let mut response = Response::new(String::new());
            degraded.map(|it| response.extensions_mut().insert(it));
            Ok::<_, BoxError>(response)
        });
        let svc = RespondLayer::new().layer(inner);
        svc.oneshot(Request::new(())).await.unwrap()
    };
    let stale = respond(Some(Degraded::new("stale"))).await;
    assert_eq!(stale.headers()["x-degraded"], "stale");
    assert_eq!(stale.status(), 200);
    for none in [None, Some(Degraded::new("a\nline"))] {
        assert!(!respond(none).await.headers().contains_key("x-degraded"));
    }
}

#[tokio::test]
async fn any_other_error_is_logged_once_with_its_request_and_answered_with_500() {
    start_log();
    let _request = tracing::info_span!("request", id = "r-17").entered();
    let (head, body) = answer(|| "the password is 1234".into()).await;
    assert_eq!(head.status, 500);
    assert!(!body.contains("1234"), "{body}");
    let text = logged();
    assert_eq!(text.matches("answered 500").count(), 1, "{text}");
    assert!(text.contains("r-17") && text.contains("1234"), "{text}");
}

#[tokio::test]
async fn an_error_of_readiness_is_reported_by_the_call_and_only_there() {
    let mut svc = RespondLayer::new().layer(Broken);
    let mut clone = svc.ready().await.unwrap().clone();
    assert_eq!(svc.call(()).await.unwrap().status(), 503);
    // The clone was not polled: it knows of no failure, and calls.
    assert_eq!(clone.call(()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn it_obeys_the_service_contract() {
    obeys_the_service_contract(RespondLayer::new()).await;
}

/// Compiles, or a caller's `Arc`, `Router` or `Buffer` breaks.
#[test]
fn auto_traits() {
    fn shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    shareable::<Respond<()>>();
    shareable::<RespondLayer>();
}

/// The answer of a router whose inner layer fails with `error`.
async fn answer(
    error: impl Fn() -> BoxError + Clone + Send + Sync + 'static,
) -> (http::response::Parts, String) {
    let failing = service_fn(move |_: Request<Body>| {
        let error = error();
        async move { Err::<Response<Body>, _>(error) }
    });
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .service(failing);
    let app: Router = Router::new().fallback_service(stack);
    let (head, body) = app
        .oneshot(Request::new(Body::empty()))
        .await
        .unwrap()
        .into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head, String::from_utf8(body.to_vec()).unwrap())
}

#[derive(Debug)]
struct Wrapped(Rejected);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("while loading")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Never ready, and willing when called all the same.
#[derive(Clone)]
struct Broken;

impl Service<()> for Broken {
    type Response = Response<String>;
    type Error = Rejected;
    type Future = std::future::Ready<Result<Self::Response, Rejected>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        Poll::Ready(Err(Rejected::new("broken", Reason::Unavailable)))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        std::future::ready(Ok(Response::default()))
    }
}

thread_local! {
    /// What was logged on this thread.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Logs for all threads: a subscriber for one thread only may miss what another thread was
/// the first to log.
fn start_log() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let log = tracing_subscriber::fmt().with_ansi(false);
        log.with_writer(|| ThisThread).init();
    });
}

fn logged() -> String {
    String::from_utf8(LOG.take()).unwrap()
}

struct ThisThread;

impl Write for ThisThread {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The bound that `axum::Router::layer` sets: never an error.
#[test]
fn the_error_is_infallible() {
    fn infallible<S: Service<Request<Body>, Error = Infallible>>(_: &S) {}
    infallible(
        &RespondLayer::new().layer(service_fn(|_: Request<Body>| async {
            Err::<Response<Body>, _>("x")
        })),
    );
}
