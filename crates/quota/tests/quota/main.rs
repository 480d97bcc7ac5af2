//! What a user of the layer relies on.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::convert::Infallible;
use std::num::{NonZeroU16, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use http::Request;
use towerblock_core::{Stats, TenantId, Value};
use towerblock_quota::{Ask, Name, Plan, Plans, Rate, RateLimiter, RatePolicy};

mod answers;
mod layer;
mod plans;

fn per_minute(units: u64) -> Rate {
    Rate::new(NonZeroU64::new(units).unwrap(), Duration::from_secs(60))
}

fn strict(limit: u16, seconds: u64) -> Rate {
    Rate::strict(
        NonZeroU16::new(limit).unwrap(),
        Duration::from_secs(seconds),
    )
}

fn policy(name: &str, rate: Rate) -> RatePolicy {
    RatePolicy::new(Name::new(name).unwrap(), rate)
}

fn limiter() -> RateLimiter {
    RateLimiter::new(NonZeroUsize::new(1_000).unwrap())
}

/// Whoever asks is under this plan, and pays what the header says.
fn all_under<B>(plan: Plan) -> impl Fn(&Request<B>) -> Option<Ask> {
    let plans = Plans::new([plan]);
    let name = String::from("test");
    move |req| {
        if req.uri().path() == "/health" {
            return Some(Ask::exempt());
        }
        let cost = req.headers().get("x-cost");
        let cost = cost.map_or(1, |cost| cost.to_str().unwrap().parse().unwrap());
        let tenant = req.extensions().get::<TenantId>()?;
        Some(Ask::new(plans.get(&name)?, tenant).cost(cost))
    }
}

fn plan<const N: usize>(rates: [RatePolicy; N]) -> Plan {
    Plan::new("test").rates(rates)
}

fn from(tenant: &str) -> Request<()> {
    let mut req = Request::new(());
    req.extensions_mut().insert(TenantId::new(tenant).unwrap());
    req
}

fn costing(cost: u64) -> Request<()> {
    let mut req = from("acme");
    req.headers_mut().insert("x-cost", cost.into());
    req
}

/// One number of a layer's.
fn told(stats: &dyn Stats, name: &str, label: &str) -> f64 {
    let mut found = None;
    stats.read(&mut |metric, its_label, value| {
        assert!(stats.describe().contains(metric));
        if (metric.name, its_label) == (name, label) {
            found = match value {
                Value::Count(count) => Some(count as f64),
                Value::Level(level) => Some(level),
                _ => None,
            };
        }
    });
    found.unwrap()
}

/// Compiles, or a caller's `Arc`, `Router` or `Buffer` breaks.
#[test]
fn auto_traits() {
    use towerblock_quota::{
        Decision, Headers, LimitedBody, Quota, RateLimit, RateLimitLayer, ResponseFuture, Scope,
    };
    fn shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    type Inner = tower::util::BoxCloneService<Request<()>, http::Response<()>, Infallible>;
    fn sendable<T: Send + Sync + Unpin + 'static>() {}
    fn sent<T: Send + Unpin + 'static>() {}
    shareable::<Ask>();
    shareable::<Decision>();
    shareable::<Headers>();
    shareable::<Name>();
    shareable::<Plan>();
    shareable::<Plans>();
    shareable::<Quota>();
    shareable::<Rate>();
    shareable::<RateLimit<(), ()>>();
    shareable::<RateLimitLayer<()>>();
    shareable::<RateLimiter>();
    shareable::<RatePolicy>();
    shareable::<Scope>();
    sendable::<LimitedBody<()>>();
    sent::<ResponseFuture<Inner, ()>>();
}
