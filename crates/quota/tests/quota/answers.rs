//! What a client reads.

use std::collections::HashMap;

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use serde_json::Value;
use sfv::{BareItem, ListEntry, Parser};
use tower::{Layer, ServiceExt, service_fn};
use towerblock_quota::{Headers, RateLimitLayer, RatePolicy};

use crate::{all_under, costing, from, limiter, per_minute, plan, policy, strict};

async fn answer(
    rates: Vec<RatePolicy>,
    headers: Headers,
    requests: impl IntoIterator<Item = Request<()>>,
) -> (Response<()>, String) {
    let mut rates = rates.into_iter();
    let plan = match (rates.next(), rates.next()) {
        (Some(one), Some(two)) => plan([one, two]),
        (Some(one), None) => plan([one]),
        _ => plan([]),
    };
    let layer = RateLimitLayer::new(limiter(), all_under(plan)).headers(headers);
    let served = service_fn(|_: Request<()>| async {
        Ok::<_, std::convert::Infallible>(Response::new(axum::body::Body::from("served")))
    });
    let mut last = None;
    for req in requests {
        last = Some(layer.layer(served).oneshot(req).await.unwrap());
    }
    let (parts, body) = last.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (Response::from_parts(parts, ()), text)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers[name].to_str().unwrap()
}

#[tokio::test]
async fn an_admitted_request_hears_what_is_left() {
    let rates = vec![
        policy("burst", per_minute(100)),
        policy("daily", strict(10_000, 86_400)),
    ];
    let requests = [from("acme"), from("acme")];
    let (response, body) = answer(rates, Headers::Draft11, requests).await;
    let headers = response.headers();
    assert_eq!(body, "served");
    assert_eq!(
        text(headers, "ratelimit-policy"),
        r#""burst";q=100;w=60, "daily";q=10000;w=86400"#
    );
    assert_eq!(text(headers, "ratelimit"), r#""burst";r=98;t=2"#);
    assert!(!headers.contains_key("x-ratelimit-limit"));
}

#[tokio::test]
async fn a_refusal_is_a_problem_that_names_what_was_violated() {
    let rates = vec![
        policy("burst", per_minute(2)),
        policy("slow", per_minute(1)),
    ];
    let requests = [from("acme"), from("acme")];
    let (response, body) = answer(rates, Headers::Draft11AndLegacy, requests).await;
    assert_eq!(response.status(), 429);
    let headers = response.headers();
    assert_eq!(text(headers, "content-type"), "application/problem+json");
    assert_eq!(text(headers, "cache-control"), "no-store");
    assert_eq!(text(headers, "retry-after"), "60");
    assert_eq!(text(headers, "ratelimit"), r#""slow";r=0;t=60"#);
    assert_eq!(text(headers, "x-ratelimit-limit"), "1");
    assert_eq!(text(headers, "x-ratelimit-remaining"), "0");
    assert_eq!(text(headers, "x-ratelimit-reset"), "60");
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["status"], 429);
    assert_eq!(
        problem["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(problem["violated-policies"], serde_json::json!(["slow"]));
}

#[tokio::test]
async fn what_never_fits_says_so() {
    let rates = vec![policy("burst", per_minute(2))];
    let (response, body) = answer(rates, Headers::Draft11, [costing(3)]).await;
    assert_eq!(response.status(), 403);
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["type"], "urn:towerblock:cost-above-burst");
    assert_eq!(problem["violated-policies"], serde_json::json!(["burst"]));
}

#[tokio::test]
async fn without_headers_nothing_is_told_but_when_to_come_back() {
    let rates = vec![policy("burst", per_minute(1))];
    let requests = [from("acme"), from("acme")];
    let (response, _) = answer(rates, Headers::Off, requests).await;
    assert_eq!(text(response.headers(), "retry-after"), "60");
    for name in ["ratelimit", "ratelimit-policy", "x-ratelimit-limit"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    let (nobody, body) = answer(vec![], Headers::Off, [Request::new(())]).await;
    assert_eq!(nobody.status(), 404);
    assert!(!body.contains("violated-policies"));
}

/// The items of a list, each with its parameters.
fn parsed(text: &str) -> Vec<(String, HashMap<String, i64>)> {
    let list: sfv::List = Parser::new(text).parse().unwrap();
    list.into_iter()
        .map(|entry| {
            let ListEntry::Item(item) = entry else {
                unreachable!("no inner lists")
            };
            let BareItem::String(name) = item.bare_item else {
                unreachable!("a name is a string")
            };
            let numbers = item.params.into_iter().map(|(key, value)| {
                let BareItem::Integer(number) = value else {
                    unreachable!("parameters are integers")
                };
                (key.to_string(), number.into())
            });
            (name.to_string(), numbers.collect())
        })
        .collect()
}

fn policies() -> impl Strategy<Value = RatePolicy> {
    let name = "[a-z0-9][a-z0-9_-]{0,31}";
    let rate = (1..u64::MAX, 1..u64::MAX, any::<bool>());
    (name, rate).prop_map(|(name, (units, nanos, is_strict))| {
        let per = std::time::Duration::from_nanos(nanos);
        let units = std::num::NonZeroU64::new(units).unwrap();
        let rate = match is_strict {
            true => strict((units.get() % 60_000) as u16 + 1, nanos % 1_000_000),
            false => towerblock_quota::Rate::new(units, per),
        };
        policy(&name, rate)
    })
}

proptest! {
    #[test]
    fn headers_are_structured_fields(
        one in policies(), two in policies(), refused in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let limit = one.rate().limit().min(two.rate().limit());
        let requests = if refused { vec![costing(limit), costing(limit)] } else { vec![costing(1)] };
        let (response, _) = runtime.block_on(answer(vec![one, two], Headers::Draft11, requests));
        let headers = response.headers();
        let policies = parsed(text(headers, "ratelimit-policy"));
        prop_assert_eq!(policies.len(), 2);
        for (_, numbers) in &policies {
            prop_assert!(numbers["q"] >= 1);
            prop_assert!(numbers.get("w").is_none_or(|window| *window >= 1));
        }
        let told = parsed(text(headers, "ratelimit"));
        prop_assert_eq!(told.len(), 1);
        let reset = told[0].1["t"];
        if response.status() == 429 {
            let wait: i64 = text(headers, "retry-after").parse().unwrap();
            prop_assert!(wait >= reset && reset >= 1, "{wait} {reset}");
        }
    }
}
