//! `cargo run --example shed`: a tenant that floods beside one that does not, classes, a body that
//! holds its slot, and a limit that finds out how much a server bears.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::get;
use futures_util::future::join_all;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tower::{ServiceBuilder, ServiceExt};
use towerblock_core::{BoxError, Stats, TenantId, Value};
use towerblock_respond::RespondLayer;
use towerblock_shed::{BulkheadLayer, Class, Limit, ShedLayer};

/// A server that works on so many at once; the others wait.
const SLOTS: usize = 8;
const WORK: Duration = Duration::from_millis(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    a_flood_and_a_quiet_tenant().await?;
    compartments().await?;
    a_limit_that_adapts().await
}

async fn a_flood_and_a_quiet_tenant() -> Result<(), BoxError> {
    let class = |req: &Request<Body>| match req.uri().path() {
        // By what the server knows of its routes, never by a header.
        "/health" => Class::Critical,
        "/export" => Class::Sheddable,
        _ => Class::Normal,
    };
    let layer = ShedLayer::new(Limit::fixed(at_most(10)?)).class(class);
    let app = routes().layer(
        ServiceBuilder::new()
            // Outside of what refuses: a refusal becomes a response here.
            .layer(RespondLayer::new())
            // Inside of what names the tenant: this program does so itself.
            .layer(layer.clone().until_body_end()),
    );
    println!("a limit of 10, and 20 requests of one tenant at once:");
    let flood = (0..20).map(|_| ask(&app, "noisy", "/"));
    let answers = join_all(flood)
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let (served, refused) = statuses(&answers);
    println!("  {served} are served, {refused} are refused with 429");
    assert_eq!((served, refused), (8, 12));
    println!(
        "  their bodies are not read yet: {} in flight",
        layer.in_flight()
    );
    assert_eq!(layer.in_flight(), 8);

    let quiet = ask(&app, "quiet", "/").await?;
    let export = ask(&app, "quiet", "/export").await?;
    let health = ask(&app, "noisy", "/health").await?;
    println!("  meanwhile: the quiet tenant {}", quiet.status());
    println!("  an export, which can wait: {}", export.status());
    println!("  the noisy tenant's health check: {}", health.status());
    assert_eq!(
        [&quiet, &export, &health].map(|answer| answer.status().as_u16()),
        [200, 503, 200]
    );
    assert!(export.headers().contains_key("retry-after"));
    for answer in answers.into_iter().chain([quiet, health]) {
        to_bytes(answer.into_body(), 1_024).await?;
    }
    assert_eq!(layer.in_flight(), 0);
    layer.read(&mut |metric, label, value| {
        if let Value::Count(count @ 1..) = value {
            println!("  {} {label}: {count}", metric.name);
        }
    });
    Ok(())
}

async fn compartments() -> Result<(), BoxError> {
    println!("3 for each tenant, and 5 in all:");
    let app = routes().layer(
        ServiceBuilder::new()
            .layer(RespondLayer::new())
            .layer(BulkheadLayer::new(at_most(3)?, at_most(5)?)),
    );
    let calls = ["a", "a", "a", "a", "b", "b", "b"].map(|tenant| ask(&app, tenant, "/"));
    let mut got = Vec::new();
    for answer in join_all(calls).await {
        got.push(answer?.status().as_u16());
    }
    println!("  a a a a b b b: {got:?}");
    assert_eq!(got, [200, 200, 200, 429, 200, 200, 503]);
    Ok(())
}

/// Callers that always ask, of a server that has slots for a few of them.
async fn a_limit_that_adapts() -> Result<(), BoxError> {
    println!("{SLOTS} slots of 5 ms, and a limit that does not know that:");
    let quick = Duration::from_millis(20);
    let layer = ShedLayer::new(Limit::adaptive().start(at_most(SLOTS)?).window(quick));
    let app = routes().layer(
        ServiceBuilder::new()
            .layer(RespondLayer::new())
            .layer(layer.clone()),
    );
    for callers in [1, 6, 64] {
        let until = Instant::now() + Duration::from_secs(1);
        let each = (0..callers).map(async |n| {
            let (tenant, mut times) = (format!("t{n}"), Vec::new());
            while Instant::now() < until {
                let asked = Instant::now();
                if ask(&app, &tenant, "/").await?.status().is_success() {
                    times.push(asked.elapsed());
                } else {
                    sleep(WORK).await;
                }
            }
            Ok::<_, BoxError>(times)
        });
        let times = join_all(each)
            .await
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        let mut times = times.concat();
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        println!(
            "  {callers:2} callers: limit {:2}, {:4} answers, median {median:.1?}",
            layer.limit(),
            times.len(),
        );
    }
    // Without it, 64 callers would wait for eight times as long.
    assert!(layer.limit() < 64, "{}", layer.limit());
    Ok(())
}

/// Routes that work for a while, on one of the slots.
fn routes() -> Router {
    let slots = Arc::new(Semaphore::new(SLOTS));
    let work = get(move || {
        let slots = Arc::clone(&slots);
        async move {
            let _slot = slots.acquire().await;
            sleep(WORK).await;
            "done"
        }
    });
    let routes = Router::new().route("/health", get(|| async { "well" }));
    routes.route("/", work.clone()).route("/export", work)
}

async fn ask(app: &Router, tenant: &str, path: &str) -> Result<Response<Body>, BoxError> {
    let mut req = Request::get(path).body(Body::empty())?;
    req.extensions_mut().insert(TenantId::new(tenant)?);
    Ok(app.clone().oneshot(req).await?)
}

fn statuses(answers: &[Response<Body>]) -> (usize, usize) {
    let of = |status| {
        let answers = answers.iter();
        answers
            .filter(|answer| answer.status().as_u16() == status)
            .count()
    };
    (of(200), of(429))
}

fn at_most(slots: usize) -> Result<NonZeroUsize, BoxError> {
    Ok(NonZeroUsize::new(slots).ok_or("none")?)
}
