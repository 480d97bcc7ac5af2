//! `cargo run --example quota`: a tenant that is blocked beside one that is not, limits per user, an upgrade
//! that gives nothing for nothing, keys that are made up, and plugins and calls that are counted.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::num::NonZeroUsize;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::get;
use http::{HeaderValue, Request, Response};
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt};
use towerblock_core::{BoxError, Stats, TenantId, Value};
use towerblock_quota::{
    Anchor, Ask, Claim, MemoryQuotas, Name, Plans, RateLimitLayer, RateLimiter, plans_from_toml,
};

const PLANS: &str = r#"
    [free]
    rates = [{ name = "requests", limit = 100, seconds = 60, strict = true, blocked_seconds = 60 }]
    quotas = { plugins = { stock = 3 }, api_calls = { monthly = 10, overage = 2 } }

    [pro]
    rates = [
        { name = "requests", limit = 1_000, seconds = 60 },
        { name = "per-user", limit = 10, scope = "user" },
    ]
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let plans = Plans::new(plans_from_toml(PLANS)?);
    blocked_and_not(&plans).await?;
    an_upgrade(&plans)?;
    made_up_keys(&plans)?;
    what_is_counted(&plans).await
}

async fn blocked_and_not(plans: &Plans) -> Result<(), BoxError> {
    let plans = plans.clone();
    let identify = move |req: &Request<Body>| {
        let tenant = req.extensions().get::<TenantId>()?;
        // An application has the plan in the tenant's record.
        let plan = if tenant.as_str() == "globex" {
            "pro"
        } else {
            "free"
        };
        let user = req.headers().get("x-user-id").map(HeaderValue::as_bytes);
        Some(Ask::new(plans.get(plan)?, tenant).user(user))
    };
    let layer = RateLimitLayer::new(RateLimiter::new(at_most(10_000)?), identify);
    let app = Router::new().route("/", get(|| async { "served" })).layer(
        ServiceBuilder::new()
            // Inside what names the tenant, which this program does by itself.
            .layer(layer.clone()),
    );
    println!("initech has 100 in 60 seconds, and asks 150 times:");
    let mut served = 0;
    let mut last = ask(&app, "initech", "ann").await?;
    for _ in 0..150 {
        served += u32::from(last.status().is_success());
        last = ask(&app, "initech", "ann").await?;
    }
    println!("  {served} are served, then: {}", last.status());
    assert_eq!((served, last.status().as_u16()), (100, 429));
    for name in ["retry-after", "ratelimit-policy", "ratelimit"] {
        let value = last.headers().get(name).ok_or("a refusal without it")?;
        println!("  {name}: {}", value.to_str()?);
    }
    let body = to_bytes(last.into_body(), 1_024).await?;
    println!("  {}", String::from_utf8_lossy(&body));

    println!("globex has 1,000 in a minute, and 10 per second for each user:");
    let mut served = [0, 0];
    for (user, served) in ["ann", "bob"].into_iter().zip(&mut served) {
        for _ in 0..30 {
            *served += u32::from(ask(&app, "globex", user).await?.status().is_success());
        }
    }
    println!("  of 30 each, ann gets {}, bob {}", served[0], served[1]);
    assert!(served.iter().all(|served| (10..15).contains(served)));
    layer.read(&mut |metric, label, value| {
        if let Value::Count(count @ 1..) = value {
            println!("  {} {label}: {count}", metric.name);
        }
    });
    Ok(())
}

fn an_upgrade(plans: &Plans) -> Result<(), BoxError> {
    println!("acme uses up its free plan, and upgrades:");
    let (limiter, acme, now) = (
        RateLimiter::new(at_most(10_000)?),
        TenantId::new("acme")?,
        Instant::now(),
    );
    let ask = |plan| Ok::<_, BoxError>(Ask::new(plans.get(plan).ok_or("no such plan")?, &acme));
    let used = limiter.decide(ask("free")?.cost(100), now);
    println!("  free: {} left", used.remaining());
    let upgraded = limiter.decide(ask("pro")?.cost(0), now);
    let requests = upgraded.policy().ok_or("no policy")?.name().as_str();
    println!("  pro: {} left of {requests:?}", upgraded.remaining());
    let more = (0..2_000).filter(|user| {
        let ask = ask("pro").map(|ask| ask.user(user));
        ask.is_ok_and(|ask| limiter.decide(ask, now).is_admitted())
    });
    let more = more.count();
    println!("  and so many more go through: {more}");
    assert_eq!(more, 900);
    Ok(())
}

fn made_up_keys(plans: &Plans) -> Result<(), BoxError> {
    let limiter = RateLimiter::new(at_most(10_000)?);
    let free = plans.get("free").ok_or("no such plan")?;
    let (acme, now) = (TenantId::new("acme")?, Instant::now());
    let before = limiter.decide(Ask::new(free.clone(), &acme).cost(40), now);
    println!(
        "a million addresses, one request each, in {} bytes:",
        limiter.bytes()
    );
    for address in 0..1_000_000_u32 {
        let _ = limiter.decide(Ask::unverified(free.clone(), address), now);
    }
    let after = limiter.decide(Ask::new(free, &acme).cost(0), now);
    println!(
        "  acme had {} left, and has {}",
        before.remaining(),
        after.remaining()
    );
    println!("  in {} bytes", limiter.bytes());
    assert_eq!(after.remaining(), 60);
    Ok(())
}

async fn what_is_counted(plans: &Plans) -> Result<(), BoxError> {
    let free = plans.get("free").ok_or("no such plan")?;
    let quota = |name| free.quota_of(name).ok_or("no such quota");
    let quotas = MemoryQuotas::new(at_most(1_000)?);
    let (acme, plugins, calls) = (
        TenantId::new("acme")?,
        Name::new("plugins")?,
        Name::new("api_calls")?,
    );

    println!("acme may have 3 plugins:");
    let plugin = Claim::new(&acme, &plugins, quota("plugins")?);
    for key in ["a", "b", "b", "c", "d"] {
        match quotas.consume_once(&plugin, key) {
            Ok(usage) if usage.repeated => println!("  {key}: again, and not counted"),
            Ok(usage) => println!("  {key}: {} left", usage.remaining()),
            Err(error) => println!("  {key}: {error}"),
        }
    }
    assert_eq!(quotas.usage(&plugin).remaining(), 0);

    println!("and make 10 calls in a month that begins on the 15th:");
    let month = Anchor::new(2024, 1, 15).ok_or("no such day")?.now();
    let call = Claim::new(&acme, &calls, quota("api_calls")?).period(month);
    let mut crossings = quotas.crossings();
    let made = (0..20).filter(|_| quotas.consume(&call).is_ok()).count();
    println!(
        "  of 20 calls {made} are made, {} of them over",
        quotas.usage(&call).over()
    );
    assert_eq!((made, quotas.usage(&call).over()), (12, 2));
    drop(quotas);
    let mut told = Vec::new();
    while let Some(crossed) = crossings.next().await {
        if crossed.resource == calls {
            println!("  at {} it was told of {} %", crossed.used, crossed.percent);
            told.push(crossed.percent);
        }
    }
    assert_eq!(told, [50, 80, 100]);
    Ok(())
}

async fn ask(app: &Router, tenant: &str, user: &str) -> Result<Response<Body>, BoxError> {
    let mut req = Request::get("/")
        .header("x-user-id", user)
        .body(Body::empty())?;
    req.extensions_mut().insert(TenantId::new(tenant)?);
    Ok(app.clone().oneshot(req).await?)
}

fn at_most(keys: usize) -> Result<NonZeroUsize, BoxError> {
    Ok(NonZeroUsize::new(keys).ok_or("none")?)
}
