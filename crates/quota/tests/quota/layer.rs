use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use tokio::time::advance;
use tower::{Layer, Service, ServiceExt};
use towerblock_core::TenantId;
use towerblock_quota::{Ask, Decision, LimitedBody, RateLimitLayer};
use towerblock_testkit::laws::{obeys_the_service_contract, shares_state_across_routes};

use crate::{all_under, costing, from, limiter, per_minute, plan, policy, strict, told};

/// Answers at once, and keeps what was decided of the last request.
#[derive(Clone, Default)]
struct Handler {
    seen: Arc<Mutex<Option<Decision>>>,
}

impl Service<Request<()>> for Handler {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<()>) -> Self::Future {
        *self.seen.lock().unwrap() = req.extensions().get().cloned();
        ready(Ok(Response::new("served".to_owned())))
    }
}

async fn send<I>(layer: &RateLimitLayer<I>, req: Request<()>) -> Response<LimitedBody<String>>
where
    I: Fn(&Request<()>) -> Option<Ask>,
{
    layer.layer(Handler::default()).oneshot(req).await.unwrap()
}

async fn status<I>(layer: &RateLimitLayer<I>, req: Request<()>) -> StatusCode
where
    I: Fn(&Request<()>) -> Option<Ask>,
{
    send(layer, req).await.status()
}

#[tokio::test]
async fn it_obeys_the_service_contract() {
    let many = plan([policy("requests", per_minute(1_000))]);
    obeys_the_service_contract(RateLimitLayer::new(limiter(), all_under::<String>(many))).await;
}

#[tokio::test]
async fn two_routes_of_a_router_share_one_limit() {
    let two = plan([policy("requests", per_minute(2))]);
    let layer = RateLimitLayer::new(limiter(), all_under::<Body>(two));
    shares_state_across_routes(layer, async |routes| {
        let both = [routes.status("/a").await, routes.status("/b").await];
        assert_eq!(both, [StatusCode::OK; 2]);
        assert_eq!(routes.status("/a").await, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(routes.status("/b").await, StatusCode::TOO_MANY_REQUESTS);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_in_sixty_seconds_and_blocked_for_sixty() {
    let free = policy("requests", strict(100, 60)).penalty(Duration::from_secs(60));
    let layer = RateLimitLayer::new(limiter(), all_under(plan([free])));
    for round in 0..3 {
        for _ in 0..100 {
            assert_eq!(status(&layer, from("initech")).await, 200);
        }
        let refused = send(&layer, from("initech")).await;
        assert_eq!(refused.status(), 429, "{round}");
        // The block is all there is to wait for: it outlasts what was used.
        let wait = refused.headers()["retry-after"].to_str().unwrap();
        assert!(matches!(wait, "60" | "61"), "{wait}");
        // Who comes back every second does not put it off.
        for _ in 0..59 {
            advance(Duration::from_secs(1)).await;
            assert_eq!(status(&layer, from("initech")).await, 429);
        }
        assert_eq!(status(&layer, from("acme")).await, 200);
        advance(Duration::from_millis(1_100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_may_be_used() {
    let layer = RateLimitLayer::new(
        limiter(),
        all_under(plan([policy("requests", per_minute(60))])),
    );
    for _ in 0..60 {
        assert_eq!(status(&layer, from("acme")).await, 200);
    }
    let refused = send(&layer, from("acme")).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    advance(Duration::from_secs(1)).await;
    assert_eq!(status(&layer, from("acme")).await, 200);
    assert_eq!(status(&layer, from("acme")).await, 429);
}

#[tokio::test]
async fn who_is_unknown_is_refused_and_who_is_exempt_is_not() {
    let layer = RateLimitLayer::new(
        limiter(),
        all_under(plan([policy("requests", per_minute(1))])),
    );
    assert_eq!(status(&layer, Request::new(())).await, 404);
    for _ in 0..3 {
        let health = Request::get("/health").body(()).unwrap();
        let response = send(&layer, health).await;
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("ratelimit"));
        let mut preflight = from("acme");
        *preflight.method_mut() = Method::OPTIONS;
        assert_eq!(status(&layer, preflight).await, 200);
    }
    assert_eq!(status(&layer, from("acme")).await, 200);
    assert_eq!(status(&layer, from("acme")).await, 429);
    assert_eq!(told(&layer, "quota_admitted", "exempt"), 6.0);
    assert_eq!(told(&layer, "quota_admitted", "limited"), 1.0);
    assert_eq!(told(&layer, "quota_refused", "unknown_tenant"), 1.0);
    assert_eq!(told(&layer, "quota_refused", "rate_limited"), 1.0);
}

#[tokio::test]
async fn costs_are_charged_and_what_never_fits_is_a_403() {
    let ten = plan([policy("requests", per_minute(10))]);
    let layer = RateLimitLayer::new(limiter(), all_under(ten));
    let never = send(&layer, costing(11)).await;
    assert_eq!(never.status(), 403);
    assert!(!never.headers().contains_key("retry-after"));
    assert_eq!(told(&layer, "quota_refused", "cost_above_burst"), 1.0);
    assert_eq!(status(&layer, costing(7)).await, 200);
    assert_eq!(status(&layer, costing(4)).await, 429);
    assert_eq!(status(&layer, costing(3)).await, 200);
    assert_eq!(status(&layer, costing(0)).await, 200);
}

#[tokio::test]
async fn the_handler_reads_the_decision() {
    let two = plan([
        policy("requests", per_minute(5)),
        policy("dark", per_minute(1)).shadow(),
    ]);
    let layer = RateLimitLayer::new(limiter(), all_under(two));
    let handler = Handler::default();
    for left in [4, 3] {
        let svc = layer.layer(handler.clone());
        let response = svc.oneshot(from("acme")).await.unwrap();
        assert!(
            !response.headers()["ratelimit-policy"]
                .to_str()
                .unwrap()
                .contains("dark")
        );
        let seen = handler.seen.lock().unwrap().take().unwrap();
        assert!(seen.is_admitted());
        assert_eq!(seen.remaining(), left);
        assert_eq!(seen.policy().unwrap().name().as_str(), "requests");
        assert_eq!(seen.plan().unwrap().name(), "test");
        let shadowed = seen.shadowed().map(|policy| policy.name().as_str());
        let expected: &[&str] = if left == 4 { &[] } else { &["dark"] };
        assert_eq!(shadowed.collect::<Vec<_>>(), expected);
    }
    assert_eq!(told(&layer, "quota_shadow_refused", ""), 1.0);
}

#[tokio::test]
async fn a_dropped_request_stays_charged() {
    let layer = RateLimitLayer::new(
        limiter(),
        all_under(plan([policy("requests", per_minute(1))])),
    );
    let mut svc = layer.layer(Handler::default());
    drop(svc.ready().await.unwrap().call(from("acme")));
    // What was called may have been done, in part.
    assert_eq!(status(&layer, from("acme")).await, 429);
}

#[tokio::test]
async fn clones_share_what_was_used() {
    let layer = RateLimitLayer::new(
        limiter(),
        all_under(plan([policy("requests", per_minute(2))])),
    );
    assert_eq!(status(&layer.clone(), from("acme")).await, 200);
    assert_eq!(status(&layer.clone(), from("acme")).await, 200);
    assert_eq!(status(&layer, from("acme")).await, 429);
}

#[tokio::test]
async fn an_error_of_the_service_passes() {
    let broken = tower::service_fn(|_: Request<()>| async {
        Err::<Response<String>, _>(std::io::Error::other("broken"))
    });
    let layer = RateLimitLayer::new(limiter(), |req: &Request<()>| {
        let plan = Arc::new(plan([policy("requests", per_minute(2))]));
        Some(Ask::new(plan, req.extensions().get::<TenantId>()?))
    });
    let error = layer.layer(broken).oneshot(from("acme")).await.unwrap_err();
    assert_eq!(error.to_string(), "broken");
}
