use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use towerblock_quota::{Decision, RateLimitLayer, Source};
use towerblock_testkit::Redis;

use crate::support::{ask, limiters, per_hour, plan, policy, told};

#[tokio::test]
async fn a_layer_waits_for_redis_and_answers() {
    let server = Redis::builder().start().await.unwrap();
    let all = limiters(&server.url(), 2, Duration::ZERO).await;
    let two = plan([policy("requests", per_hour(2))]);
    let layers: Vec<_> = all
        .into_iter()
        .map(|limiter| {
            let plan = two.clone();
            RateLimitLayer::fleet(limiter, move |_: &Request<()>| Some(ask(&plan)))
        })
        .collect();
    let mut statuses = Vec::new();
    for layer in [0, 1, 0, 1].map(|place: usize| layers.get(place).unwrap()) {
        let svc = service_fn(async |req: Request<()>| {
            let decision = req.extensions().get::<Decision>().unwrap();
            assert_eq!(decision.source(), Source::Redis);
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let response = layer.layer(svc).oneshot(Request::new(())).await.unwrap();
        let headers = response.headers();
        let left = headers
            .get("ratelimit")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        statuses.push((response.status().as_u16(), left.contains(";r=1")));
        assert_eq!(
            headers.contains_key("retry-after"),
            response.status() == 429
        );
    }
    assert_eq!(
        statuses,
        [(200, true), (200, false), (429, false), (429, false)]
    );
    assert_eq!(
        told(layers.first().unwrap(), "quota_admitted", "limited"),
        1
    );
}
