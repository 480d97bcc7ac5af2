use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{HeaderValue, Request, Response, header};
use tower::{Layer, Service};
use towerblock_core::{BoxError, TenantId};
use towerblock_quota::{Ask, Headers, Plans, RateLimitLayer, RateLimiter};

use crate::measure::Subject;
use crate::subjects::{levels, tenants};

const TENANTS: usize = 10_000;

/// Requests that carry their tenant, of 10,000, answered at once with a content type.
pub(crate) fn services() -> Result<Vec<Subject>, BoxError> {
    Ok(vec![
        subject("a bare service", Bare)?,
        subject("`RateLimitLayer`, no headers", limited(1, Headers::Off)?)?,
        subject("`RateLimitLayer`", limited(1, Headers::Draft11)?)?,
        subject("`RateLimitLayer`, 3 levels", limited(3, Headers::Draft11)?)?,
    ])
}

fn limited(
    count: usize,
    headers: Headers,
) -> Result<impl Service<Request<()>> + Clone + 'static, BoxError> {
    let plan = levels(count)?;
    let plans = Plans::new([(*plan).clone()]);
    let limiter = RateLimiter::new(NonZeroUsize::new(100_000).ok_or("none")?);
    let identify = move |req: &Request<()>| {
        let tenant = req.extensions().get::<TenantId>()?;
        let ask = Ask::new(plans.get("bench")?, tenant);
        Some(if count > 1 {
            ask.user(7).route("all")
        } else {
            ask
        })
    };
    let layer = RateLimitLayer::new(limiter, identify).headers(headers);
    Ok(layer.layer(Bare))
}

fn subject<S>(name: &'static str, svc: S) -> Result<Subject, BoxError>
where
    S: Service<Request<()>> + Clone + 'static,
{
    let tenants = tenants(TENANTS)?;
    let run = move |times: usize, from: usize| {
        let mut svc = svc.clone();
        for n in from..from + times {
            let mut req = Request::new(());
            let tenant = &tenants[n.wrapping_mul(7_919) % TENANTS];
            req.extensions_mut().insert(tenant.clone());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(svc.poll_ready(&mut cx).is_ready());
            let mut answer = pin!(svc.call(req));
            let Poll::Ready(answer) = answer.as_mut().poll(&mut cx) else {
                continue;
            };
            let _ = black_box(answer.is_ok());
        }
    };
    let run = Box::new(run);
    Ok(Subject { name, run })
}

#[derive(Clone, Copy)]
struct Bare;

impl Service<Request<()>> for Bare {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<()>) -> Self::Future {
        black_box(req.extensions().len());
        let mut response = Response::new(());
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        ready(Ok(response))
    }
}
