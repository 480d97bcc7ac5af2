use std::convert::Infallible;
use std::future::{pending, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::task::yield_now;
use tower::{Layer, Service, ServiceExt, service_fn};
use towerblock_metrics::HttpMetricsLayer;
use towerblock_testkit::laws::{obeys_the_service_contract, shares_state_across_routes};
use towerblock_testkit::{at_every_poll, poll_times};

use crate::{fleet, send, told};

const IN_FLIGHT: &str = "http_requests_in_flight";
const REQUESTS: &str = "http_requests_total";
const FAILURES: &str = "http_request_failures_total";
const RECEIVED: &str = "http_request_body_bytes_total";
const SENT: &str = "http_response_body_bytes_total";
const TO_HEAD: &str = "http_request_duration_seconds_count";
const TO_END: &str = "http_exchange_duration_seconds_count";

/// Gives these frames, each after it was pending once.
struct Frames {
    frames: Vec<Result<&'static str, &'static str>>,
    woken: bool,
    panics: bool,
}

impl Frames {
    fn of<const N: usize>(frames: [Result<&'static str, &'static str>; N]) -> Self {
        Self {
            frames: frames.into_iter().rev().collect(),
            woken: false,
            panics: false,
        }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        assert!(!self.panics, "as it was told");
        self.woken = !self.woken;
        if self.woken {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let frame = self.frames.pop();
        Poll::Ready(
            frame.map(|frame| frame.map(|text| Frame::data(Bytes::from_static(text.as_bytes())))),
        )
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn get(path: &str) -> Request<String> {
    Request::get(path).body(String::new()).unwrap()
}

fn by_path(layer: HttpMetricsLayer) -> HttpMetricsLayer {
    layer.route_of(|of| of.get::<&'static str>().copied())
}

#[tokio::test]
async fn requests_are_told_by_method_route_and_status() {
    let (page, layer) = fleet();
    let mut svc = by_path(layer).layer(service_fn(|req: Request<String>| {
        let mut response = Response::new(req.body().clone());
        *response.status_mut() = req.uri().path()[1..].parse().unwrap();
        ready(Ok::<_, Infallible>(response))
    }));
    for (method, route, path, body) in [
        ("GET", Some("/users/{id}"), "/200", ""),
        ("GET", Some("/users/{id}"), "/200", ""),
        ("POST", Some("/users/{id}"), "/201", "hello"),
        ("BREW", Some("/users/{id}"), "/418", ""),
        ("GET", None, "/404", ""),
    ] {
        let mut req = Request::builder()
            .method(method)
            .uri(path)
            .body(body.to_owned())
            .unwrap();
        if let Some(route) = route {
            req.extensions_mut().insert(route);
        }
        let body = send(&mut svc, req).await.into_body();
        body.collect().await.unwrap();
    }
    let page = page.render();
    for (name, labels, number) in [
        (
            REQUESTS,
            r#"method="GET",route="/users/{id}",status="200""#,
            2.0,
        ),
        (
            REQUESTS,
            r#"method="POST",route="/users/{id}",status="201""#,
            1.0,
        ),
        (
            REQUESTS,
            r#"method="_OTHER",route="/users/{id}",status="418""#,
            1.0,
        ),
        (REQUESTS, r#"route="__unmatched__",status="404""#, 1.0),
        (REQUESTS, "", 5.0),
        (TO_HEAD, "", 5.0),
        (TO_END, "", 5.0),
        (IN_FLIGHT, "", 0.0),
        (RECEIVED, r#"route="/users/{id}""#, 5.0),
        (SENT, r#"method="POST""#, 5.0),
    ] {
        assert_eq!(told(&page, name, &[labels]), number, "{name} {labels:?}");
    }
    assert!(page.contains("# TYPE http_request_duration_seconds histogram"));
}

#[tokio::test]
async fn wherever_it_is_dropped_it_is_no_longer_in_flight_and_counted_once() {
    let (page, layer) = fleet();
    let svc = layer.layer(service_fn(|_: Request<String>| async {
        yield_now().await;
        Ok::<_, Infallible>(Response::new(Frames::of([Ok("one"), Ok("two")])))
    }));
    let mut made = 0.0;
    let whole = at_every_poll(
        || {
            let svc = svc.clone();
            async move {
                svc.oneshot(get("/"))
                    .await
                    .unwrap()
                    .into_body()
                    .collect()
                    .await
                    .unwrap()
            }
        },
        async |polls| {
            // Before its first poll the service was not called.
            made += f64::from(u8::from(polls > 0));
            let page = page.render();
            assert_eq!(told(&page, IN_FLIGHT, &[]), 0.0, "after {polls} polls");
            assert_eq!(told(&page, REQUESTS, &[]), made);
            assert_eq!(told(&page, TO_HEAD, &[]), made);
            assert_eq!(told(&page, TO_END, &[]), made);
            assert_eq!(told(&page, FAILURES, &[r#"failure="disconnect""#]), made);
        },
    )
    .await;
    assert_eq!(whole.to_bytes(), "onetwo");
    let page = page.render();
    assert_eq!(told(&page, IN_FLIGHT, &[]), 0.0);
    assert_eq!(told(&page, FAILURES, &[]), made);
    // Dropped before its head it was never answered; later it had been.
    assert_eq!(told(&page, REQUESTS, &[r#"status="499""#]), 1.0);
    assert_eq!(told(&page, REQUESTS, &[r#"status="200""#]), made);
}

#[tokio::test]
async fn a_call_that_is_never_polled_was_in_flight() {
    let (page, layer) = fleet();
    let mut svc = layer.layer(service_fn(|_: Request<String>| {
        pending::<Result<Response<String>, Infallible>>()
    }));
    let call = svc.ready().await.unwrap().call(get("/"));
    assert_eq!(told(&page.render(), IN_FLIGHT, &[]), 1.0);
    drop(call);
    let page = page.render();
    assert_eq!(told(&page, IN_FLIGHT, &[]), 0.0);
    assert_eq!(told(&page, REQUESTS, &[r#"status="499""#]), 1.0);
}

#[tokio::test]
async fn panics_are_counted_wherever_they_are() {
    let (page, layer) = fleet();
    let svc = layer.layer(service_fn(|req: Request<String>| {
        assert!(req.uri().path() != "/call", "as it was told");
        async move {
            assert!(req.uri().path() != "/poll", "as it was told");
            let mut body = Frames::of([Ok("one")]);
            body.panics = true;
            Ok::<_, Infallible>(Response::new(body))
        }
    }));
    for path in ["/call", "/poll", "/body"] {
        let svc = svc.clone();
        let work = async move {
            svc.oneshot(get(path))
                .await
                .unwrap()
                .into_body()
                .collect()
                .await
        };
        assert!(tokio::spawn(work).await.unwrap_err().is_panic());
    }
    let page = page.render();
    assert_eq!(told(&page, FAILURES, &[r#"failure="panic""#]), 3.0);
    assert_eq!(told(&page, FAILURES, &[]), 3.0);
    assert_eq!(told(&page, REQUESTS, &[r#"status="500""#]), 2.0);
    assert_eq!(told(&page, REQUESTS, &[r#"status="200""#]), 1.0);
    assert_eq!(told(&page, IN_FLIGHT, &[]), 0.0);
}

#[tokio::test]
async fn errors_of_the_service_and_of_the_body_are_counted() {
    let (page, layer) = fleet();
    let mut svc = layer.layer(service_fn(|req: Request<String>| {
        ready(match req.uri().path() {
            "/error" => Err("it failed"),
            _ => Ok(Response::new(Frames::of([Ok("one"), Err("cut off")]))),
        })
    }));
    let error = svc.ready().await.unwrap().call(get("/error")).await;
    assert_eq!(error.map(|_| ()), Err("it failed"));
    let body = svc
        .ready()
        .await
        .unwrap()
        .call(get("/"))
        .await
        .unwrap()
        .into_body();
    assert_eq!(body.collect().await.map(|_| ()), Err("cut off"));
    let page = page.render();
    assert_eq!(told(&page, FAILURES, &[r#"failure="error""#]), 1.0);
    assert_eq!(told(&page, FAILURES, &[r#"failure="body_error""#]), 1.0);
    assert_eq!(told(&page, REQUESTS, &[r#"status="500""#]), 1.0);
    assert_eq!(told(&page, SENT, &[]), 3.0);
    assert_eq!(told(&page, IN_FLIGHT, &[]), 0.0);
}

#[tokio::test]
async fn who_stops_at_the_last_byte_did_not_go_away() {
    let (page, layer) = fleet();
    let mut svc = layer.layer(service_fn(|req: Request<String>| {
        let mut response = Response::new(Frames::of([Ok("one"), Ok("two")]));
        if req.method() == Method::POST {
            response.headers_mut().insert("content-length", 6.into());
        }
        ready(Ok::<_, Infallible>(response))
    }));
    for (method, polls) in [(Method::POST, 3), (Method::HEAD, 0)] {
        let req = Request::builder()
            .method(method)
            .body(String::new())
            .unwrap();
        let body = send(&mut svc, req).await.into_body();
        assert!(poll_times(polls, body.collect()).await.is_none());
    }
    assert_eq!(told(&page.render(), FAILURES, &[]), 0.0);
    // One byte less, and it did.
    let req = Request::post("/").body(String::new()).unwrap();
    let body = send(&mut svc, req).await.into_body();
    assert!(poll_times(2, body.collect()).await.is_none());
    let page = page.render();
    assert_eq!(told(&page, FAILURES, &[r#"failure="disconnect""#]), 1.0);
    assert_eq!(told(&page, IN_FLIGHT, &[]), 0.0);
}

#[tokio::test]
async fn a_handler_may_answer_with_many_statuses_and_still_makes_few_series() {
    let (page, layer) = fleet();
    let mut svc = layer.layer(service_fn(|req: Request<String>| {
        let mut response = Response::new(String::new());
        *response.status_mut() =
            StatusCode::from_u16(req.uri().path()[1..].parse().unwrap()).unwrap();
        ready(Ok::<_, Infallible>(response))
    }));
    for status in 200..900 {
        send(&mut svc, get(&format!("/{status}"))).await;
    }
    let page = page.render();
    assert_eq!(
        page.lines()
            .filter(|line| line.starts_with(REQUESTS))
            .count(),
        33
    );
    assert_eq!(told(&page, REQUESTS, &[]), 700.0);
    assert_eq!(told(&page, REQUESTS, &[r#"status="other""#]), 668.0);
}

#[tokio::test]
async fn the_laws_of_a_layer_hold() {
    let (page, layer) = fleet();
    obeys_the_service_contract(layer.clone()).await;
    assert_eq!(told(&page.render(), IN_FLIGHT, &[]), 0.0);

    let before = told(&page.render(), REQUESTS, &[]);
    shares_state_across_routes(layer, async |routes| {
        routes.alternate(10).await;
        let held = routes.hold("/a").await.unwrap();
        assert_eq!(told(&page.render(), IN_FLIGHT, &[]), 1.0);
        drop(held);
    })
    .await;
    yield_now().await;
    assert_eq!(told(&page.render(), REQUESTS, &[]), before + 11.0);
    assert_eq!(told(&page.render(), IN_FLIGHT, &[]), 0.0);
}
