//! What limits cost that instances share through a real Redis: each request asked, and leased.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a bench prints, and stops when it cannot"
)]

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::{Instant, sleep};
use towerblock_core::{BoxError, Stats, TenantId, Value};
use towerblock_quota::{Ask, Fleet, FleetLimiter, Name, Plan, Rate, RatePolicy, Scope};
use towerblock_redis::{Redis, Settings};
use towerblock_testkit as testkit;

const TIME: Duration = Duration::from_secs(3);
const TENANTS: usize = 100;

fn main() -> Result<(), BoxError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let server = testkit::Redis::builder().start().await?;
        println!("| a fleet's limit | at once | decisions/s | p50 | p99 | calls per decision |");
        println!("|---|--:|--:|--:|--:|--:|");
        for (name, lease, levels) in [
            ("exact", Duration::ZERO, 1),
            ("exact, 3 levels", Duration::ZERO, 3),
            ("leased", Duration::from_millis(200), 1),
        ] {
            for at_once in [1, 64] {
                run(name, &server.url(), lease, levels, at_once).await?;
            }
        }
        Ok(())
    })
}

async fn run(
    name: &str,
    url: &str,
    lease: Duration,
    levels: usize,
    at_once: usize,
) -> Result<(), BoxError> {
    let redis = Redis::connect(Settings::from_url(url)?);
    let capacity = NonZeroUsize::new(10_000).ok_or("none")?;
    let limiter = FleetLimiter::start(capacity, Fleet::new(redis, "bench")?.lease(lease));
    while !limiter.is_shared() {
        sleep(Duration::from_millis(5)).await;
    }
    let plan = plan(levels)?;
    let ends = Instant::now() + TIME;
    let workers: Vec<_> = (0..at_once)
        .map(|worker| tokio::spawn(ask(limiter.clone(), Arc::clone(&plan), worker, ends)))
        .collect();
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await?);
    }
    times.sort_unstable();
    let of = |part: f64| times.get((times.len() as f64 * part) as usize).copied();
    let [p50, p99] = [0.5, 0.99].map(|part| of(part).expect("there are some").as_secs_f64() * 1e6);
    let each = times.len() as f64 / TIME.as_secs_f64();
    let calls = calls(&limiter) / times.len() as f64;
    println!("| {name} | {at_once} | {each:.0} | {p50:.1} us | {p99:.1} us | {calls:.4} |");
    Ok(())
}

/// One tenant after the other, and all are admitted.
async fn ask(
    limiter: FleetLimiter,
    plan: Arc<Plan>,
    worker: usize,
    ends: Instant,
) -> Vec<Duration> {
    let tenants: Vec<_> = (0..TENANTS)
        .map(|n| TenantId::new(format!("tenant-{n}")).expect("a name"))
        .collect();
    let mut times = Vec::new();
    for tenant in tenants.iter().cycle().skip(worker * 7) {
        let since = Instant::now();
        if since >= ends {
            break;
        }
        let ask = Ask::new(Arc::clone(&plan), tenant);
        let ask = match plan.policies().len() {
            1 => ask,
            _ => ask.user(7).route("all"),
        };
        assert!(limiter.decide(ask).await.is_admitted());
        times.push(since.elapsed());
        if times.len() % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    times
}

fn plan(levels: usize) -> Result<Arc<Plan>, BoxError> {
    let rate = Rate::per_second(NonZeroU64::new(100_000).ok_or("none")?);
    let policy =
        |name: &str, scope| Ok::<_, BoxError>(RatePolicy::new(Name::new(name)?, rate).per(scope));
    let tenant = policy("tenant", Scope::Tenant)?;
    let plan = Plan::new("bench");
    Ok(Arc::new(match levels {
        1 => plan.rates([tenant]),
        _ => plan.rates([
            tenant,
            policy("user", Scope::User)?,
            policy("route", Scope::Route)?,
        ]),
    }))
}

fn calls(limiter: &FleetLimiter) -> f64 {
    let mut calls = 0.0;
    limiter.read(&mut |metric, _, value| {
        if let (true, Value::Count(count)) = (metric.name == "quota_fleet_calls", value) {
            calls = count as f64;
        }
    });
    calls
}
