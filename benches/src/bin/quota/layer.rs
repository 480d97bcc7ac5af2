use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{HeaderName, HeaderValue, Request, Response, header};
use tower::{Layer, Service};
use tower_rate_tier::{TierIdentity, TierLimitLayer};
use towerblock_core::{BoxError, TenantId};
use towerblock_quota::{Ask, Headers, Plans, RateLimitLayer, RateLimiter};

use crate::measure::{Subject, each};
use crate::peers;
use crate::subjects::{levels, tenants};

const TENANTS: usize = 10_000;
const TENANT: HeaderName = HeaderName::from_static("x-tenant");

/// Requests that carry their tenant, of 10,000, as a value and in a field, answered at once with
/// a content type.
pub(crate) fn services() -> Result<Vec<Subject>, BoxError> {
    Ok(vec![
        subject("a bare service", Bare)?,
        subject("`RateLimitLayer`, no headers", limited(1, Headers::Off)?)?,
        subject("`RateLimitLayer`", limited(1, Headers::Draft11)?)?,
        subject("`RateLimitLayer`, 3 levels", limited(3, Headers::Draft11)?)?,
        subject("tower-rate-tier 0.3, with its headers", tiered())?,
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

fn tiered() -> impl Service<Request<()>> + Clone + 'static {
    let layer = TierLimitLayer::new(peers::tiers()).identifier_fn(|headers| {
        let tenant = headers.get(TENANT)?.to_str().ok()?;
        Some(TierIdentity::new(tenant, "bench"))
    });
    layer.layer(Bare)
}

fn subject<S>(name: &'static str, svc: S) -> Result<Subject, BoxError>
where
    S: Service<Request<()>> + Clone + 'static,
{
    let carried = tenants(TENANTS)?.into_iter().map(|tenant| {
        let value = HeaderValue::try_from(tenant.as_str())?;
        Ok((tenant, value))
    });
    let carried = carried.collect::<Result<Vec<_>, BoxError>>()?;
    Ok(Subject::new(name, TENANTS, move |times, from| {
        let mut svc = svc.clone();
        for place in each(TENANTS, times, from) {
            let (tenant, value) = &carried[place];
            let mut req = Request::new(());
            req.extensions_mut().insert(tenant.clone());
            req.headers_mut().insert(TENANT, value.clone());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(svc.poll_ready(&mut cx).is_ready());
            let mut answer = pin!(svc.call(req));
            let Poll::Ready(answer) = answer.as_mut().poll(&mut cx) else {
                unreachable!("nothing is waited for");
            };
            assert!(black_box(&answer).is_ok());
        }
    }))
}

#[derive(Clone, Copy)]
struct Bare;

impl Service<Request<()>> for Bare {
    // The peer writes into it what it refuses with.
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<()>) -> Self::Future {
        black_box(req.extensions().len());
        let mut response = Response::new(String::new());
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        ready(Ok(response))
    }
}
