//! Where the tenant can be known without being told, and where it is lost.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{Request, Response};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use towerblock_tenant::{self as tenant, InTenant, Subdomain, TenantLayer};
use tracing::Instrument as _;

use crate::{answer, host, registry};

/// Who this code works for.
fn whose() -> String {
    match tenant::current() {
        Ok(tenant) => tenant.id.as_str().to_owned(),
        Err(_) => "nobody".to_owned(),
    }
}

fn layer() -> TenantLayer {
    TenantLayer::new(registry()).resolver(Subdomain::of(["localhost"]).unwrap())
}

/// Answers `acme.localhost` twice: the second time the tenant is at hand.
async fn answers<F>(handler: impl Fn() -> F + Clone + Send + Sync + 'static) -> [String; 2]
where
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let app: Router = Router::new().route("/", get(handler)).layer(layer());
    let mut texts = [const { String::new() }; 2];
    for text in &mut texts {
        *text = answer(&app, host("acme.localhost")).await.1;
    }
    texts
}

fn text(text: String) -> Response<Body> {
    Response::new(Body::from(text))
}

#[tokio::test]
async fn a_handler_knows_it_before_and_after_it_waits() {
    let handler = async || {
        let before = whose();
        tokio::task::yield_now().await;
        text(format!("{before} {}", whose()))
    };
    assert_eq!(answers(handler).await, ["acme acme"; 2]);
    assert_eq!(whose(), "nobody");
}

#[tokio::test]
async fn a_service_knows_it_while_it_makes_its_future() {
    let inner = service_fn(|_: Request<Body>| {
        let known = whose();
        async move { Ok::<_, Infallible>(text(known)) }
    });
    let mut svc = ServiceBuilder::new().layer(layer()).service(inner);
    for _ in 0..2 {
        let response = svc
            .ready()
            .await
            .unwrap()
            .call(host("acme.localhost"))
            .await
            .unwrap();
        let body = axum::body::to_bytes(Body::new(response.into_body()), 100)
            .await
            .unwrap();
        assert_eq!(body, "acme");
    }
}

#[tokio::test]
async fn a_streamed_body_knows_it_to_its_end() {
    let handler = async || {
        let frames = stream::iter(0..3).then(async |_| {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(Bytes::from(whose()))
        });
        Response::new(Body::from_stream(frames))
    };
    assert_eq!(answers(handler).await, ["acmeacmeacme"; 2]);
}

#[tokio::test]
async fn a_streamed_body_that_is_dropped_knows_it_to_the_last() {
    struct Last(Arc<Mutex<String>>);
    impl Drop for Last {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = whose();
        }
    }
    let last = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&last);
    let handler = async move || {
        let guard = Last(told);
        let frames = stream::repeat_with(move || {
            let _ = &guard;
            Ok::<_, Infallible>(Bytes::from("x"))
        });
        Response::new(Body::from_stream(frames))
    };
    let app: Router = Router::new().route("/", get(handler)).layer(layer());
    let response = app.oneshot(host("acme.localhost")).await.unwrap();
    drop(response);
    assert_eq!(*last.lock().unwrap(), "acme");
}

#[tokio::test]
async fn branches_of_one_task_know_it() {
    let handler = async || {
        let first = tokio::select! {
            first = async { whose() } => first,
            second = async { whose() } => second,
        };
        let (left, right) = tokio::join!(async { whose() }, async { whose() });
        text([first, left, right].join(" "))
    };
    assert_eq!(answers(handler).await, ["acme acme acme"; 2]);
}

#[tokio::test]
async fn what_tokio_spawns_has_lost_it_and_what_we_spawn_has_not() {
    let handler = async || {
        let lost = tokio::spawn(async { whose() }).await.unwrap();
        let lost_too = tokio::task::spawn_blocking(whose).await.unwrap();
        let known = tenant::spawn(async { whose() }).await.unwrap();
        let blocking = tenant::spawn_blocking(whose).await.unwrap();
        let nested = tenant::spawn(async { tenant::spawn(async { whose() }).await });
        let nested = nested.await.unwrap().unwrap();
        text([lost, lost_too, known, blocking, nested].join(" "))
    };
    assert_eq!(answers(handler).await, ["nobody nobody acme acme acme"; 2]);
    assert_eq!(tenant::spawn(async { whose() }).await.unwrap(), "nobody");
    assert_eq!(tenant::spawn_blocking(whose).await.unwrap(), "nobody");
}

#[tokio::test]
async fn behind_a_buffer_what_runs_in_its_task_has_lost_it() {
    let inner = service_fn(|req: Request<Body>| {
        // `Buffer` calls in a task of its own; the caller polls what that returns.
        let called = whose();
        async move {
            let said = req.extensions().get::<Arc<tenant::Tenant>>();
            let said = said.map_or("nobody", |tenant| tenant.id.as_str());
            Ok::<_, Infallible>(text(format!("{called} {said} {}", whose())))
        }
    });
    let svc = ServiceBuilder::new()
        .layer(layer())
        .buffer(1)
        .service(inner);
    let response = svc.oneshot(host("acme.localhost")).await.unwrap();
    let body = axum::body::to_bytes(Body::new(response.into_body()), 100)
        .await
        .unwrap();
    assert_eq!(body, "nobody acme acme");
}

#[tokio::test]
async fn an_upgraded_connection_knows_it_only_if_its_callback_carries_it() {
    use hyper_util::rt::TokioIo;
    use hyper_util::service::TowerToHyperService;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let handler = async |req: Request<Body>| {
        // As a WebSocket library does: it takes a callback, and calls it in a task of its own.
        let upgrade = hyper::upgrade::on(req);
        let carried = tenant::carry(async |upgraded| {
            let mut stream = TokioIo::new(upgraded);
            let known = whose();
            let _ = stream.write_all(known.as_bytes()).await;
        });
        tokio::spawn(async move {
            assert_eq!(whose(), "nobody");
            let upgraded = upgrade.await.unwrap();
            carried(upgraded).await;
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
        response
            .headers_mut()
            .insert("upgrade", "echo".parse().unwrap());
        response
            .headers_mut()
            .insert("connection", "upgrade".parse().unwrap());
        response
    };
    let app: Router = Router::new().route("/", get(handler)).layer(layer());
    let (mut near, far) = tokio::io::duplex(4_096);
    let serving = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(far), TowerToHyperService::new(app))
        .with_upgrades();
    let serving = tokio::spawn(serving);
    let request =
        "GET / HTTP/1.1\r\nhost: acme.localhost\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    near.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nacme"), "{answer}");
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn scopes_nest_and_end_and_carry_nothing_out_of_nowhere() {
    let of = |name, key| Arc::new(crate::tenant(name, key));
    let nested = async {
        let inner = async { whose() }.in_tenant(of("globex", 2)).await;
        format!("{inner} {}", whose())
    };
    assert_eq!(tenant::scope(of("acme", 1), nested).await, "globex acme");
    assert_eq!(whose(), "nobody");
    // Made where there is no tenant, it has none, wherever it is called.
    let carried = tenant::carry(async |()| whose());
    let elsewhere = async move { carried(()).await };
    assert_eq!(elsewhere.in_tenant(of("acme", 1)).await, "nobody");
}

thread_local! {
    /// What was logged on this thread.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
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

#[tokio::test]
async fn the_current_span_gets_the_tenant_if_it_has_a_field_for_it() {
    // For all threads: a subscriber of one may miss what another was the first to log.
    let log = tracing_subscriber::fmt().with_ansi(false);
    log.with_writer(|| ThisThread).init();
    let handler = async || {
        tracing::info!("at work");
        text(String::new())
    };
    let app: Router = Router::new().route("/", get(handler)).layer(layer());
    for _ in 0..2 {
        let span = tracing::info_span!("request", tenant = tracing::field::Empty);
        answer(&app, host("acme.localhost")).instrument(span).await;
        let logged = String::from_utf8(LOG.take()).unwrap();
        assert!(logged.contains(r#"request{tenant="acme"}"#), "{logged}");
    }
    answer(&app, host("acme.localhost"))
        .instrument(tracing::info_span!("bare"))
        .await;
    let logged = String::from_utf8(LOG.take()).unwrap();
    assert!(
        logged.contains("at work") && !logged.contains("acme"),
        "{logged}"
    );
}
