//! What the layer asks of the allocator.
#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps fails, as it should"
)]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::{HeaderValue, Request, Response};
use tower::{Layer, Service, service_fn};
use towerblock_core::TenantId;
use towerblock_quota::{Ask, Headers, Name, Plan, Rate, RateLimitLayer, RateLimiter, RatePolicy};

const REQUESTS: usize = 10;

type Answer = Ready<Result<Response<()>, Infallible>>;

/// Answers with a header, as services do.
fn answer(_: Request<()>) -> Answer {
    let mut response = Response::new(());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", json);
    ready(Ok(response))
}

/// Allocations of so many requests, which carry a tenant.
fn counted<S: Service<Request<()>, Error = Infallible>>(svc: &mut S) -> u64 {
    let tenant = TenantId::new("acme").unwrap();
    let request = || {
        let mut req = Request::new(());
        req.extensions_mut().insert(tenant.clone());
        req
    };
    let mut send = |req| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(svc.poll_ready(&mut cx).is_ready());
        let mut answer = std::pin::pin!(svc.call(req));
        assert!(matches!(answer.as_mut().poll(&mut cx), Poll::Ready(Ok(_))));
    };
    // Whatever is made once.
    send(request());
    let requests: Vec<_> = (0..REQUESTS).map(|_| request()).collect();
    allocation_counter::measure(|| requests.into_iter().for_each(&mut send)).count_total
}

fn limited(headers: Headers) -> u64 {
    let many = Rate::per_second(NonZeroU64::new(1_000_000).unwrap());
    let policy = RatePolicy::new(Name::new("requests").unwrap(), many);
    let plan = Arc::new(Plan::new("test").rates([policy]));
    let limiter = RateLimiter::new(NonZeroUsize::new(100).unwrap());
    let identify = move |req: &Request<()>| {
        Some(Ask::new(
            Arc::clone(&plan),
            req.extensions().get::<TenantId>()?,
        ))
    };
    let layer = RateLimitLayer::new(limiter, identify).headers(headers);
    counted(&mut layer.layer(service_fn(answer)))
}

#[test]
fn a_request_costs_one_allocation_and_its_headers_one() {
    let bare = counted(&mut service_fn(answer));
    let each = |headers| (limited(headers) - bare) as f64 / REQUESTS as f64;
    assert_eq!((each(Headers::Off), each(Headers::Draft11)), (1.0, 2.0));
}
