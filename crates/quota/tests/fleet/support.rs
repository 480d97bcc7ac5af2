use std::num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use towerblock_core::{Stats, TenantId, Value};
use towerblock_quota::{Ask, Fleet, FleetLimiter, Name, Plan, Rate, RatePolicy};
use towerblock_redis::{Redis, Settings};

pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

pub(crate) fn per_second(units: u64, burst: u64) -> Rate {
    let [units, burst] = [units, burst].map(|n| NonZeroU64::new(n).unwrap());
    Rate::per_second(units).burst(burst)
}

pub(crate) fn per_hour(units: u64) -> Rate {
    Rate::new(NonZeroU64::new(units).unwrap(), Duration::from_secs(3_600))
}

pub(crate) fn strict(limit: u16) -> Rate {
    Rate::strict(NonZeroU16::new(limit).unwrap(), Duration::from_secs(60))
}

pub(crate) fn policy(name: &str, rate: Rate) -> RatePolicy {
    RatePolicy::new(Name::new(name).unwrap(), rate)
}

pub(crate) fn plan<const N: usize>(rates: [RatePolicy; N]) -> Arc<Plan> {
    Arc::new(Plan::new("test").rates(rates))
}

pub(crate) fn ask(plan: &Arc<Plan>) -> Ask {
    Ask::new(Arc::clone(plan), &tenant())
}

/// One of several instances, which waits for as long as a busy machine takes.
pub(crate) fn limiter(url: &str, instances: u32, lease: Duration) -> FleetLimiter {
    of(url, instances, lease, Duration::from_secs(2))
}

/// As a service has it.
pub(crate) fn hasty(url: &str, instances: u32, lease: Duration) -> FleetLimiter {
    of(url, instances, lease, Duration::from_millis(100))
}

fn of(url: &str, instances: u32, lease: Duration, timeout: Duration) -> FleetLimiter {
    let settings = Settings::from_url(url).unwrap().connections(1);
    let redis = Redis::connect(settings.timeout(timeout));
    let fleet = Fleet::new(redis, "test").unwrap().lease(lease);
    let fleet = fleet.at_least(NonZeroU32::new(instances).unwrap());
    FleetLimiter::start(NonZeroUsize::new(1_000).unwrap(), fleet)
}

/// Some that are there and ask Redis.
pub(crate) async fn limiters(url: &str, count: u32, lease: Duration) -> Vec<FleetLimiter> {
    let all: Vec<_> = (0..count).map(|_| limiter(url, count, lease)).collect();
    ready(&all).await;
    all
}

pub(crate) async fn ready(all: &[FleetLimiter]) {
    for limiter in all {
        until(async || limiter.is_shared()).await;
    }
}

/// How many of so many it admits.
pub(crate) async fn admitted(limiter: &FleetLimiter, plan: &Arc<Plan>, times: u64) -> u64 {
    let mut admitted = 0;
    for _ in 0..times {
        admitted += u64::from(limiter.decide(ask(plan)).await.is_admitted());
    }
    admitted
}

/// How long it took.
pub(crate) async fn until(mut done: impl AsyncFnMut() -> bool) -> Duration {
    let since = Instant::now();
    while !done().await {
        assert!(since.elapsed() < SOON, "it does not come to that");
        sleep(Duration::from_millis(5)).await;
    }
    since.elapsed()
}

/// One number of a limiter's.
pub(crate) fn told(stats: &dyn Stats, name: &str, label: &str) -> u64 {
    let mut found = None;
    stats.read(&mut |metric, its_label, value| {
        assert!(stats.describe().contains(metric));
        if let (true, Value::Count(count)) = ((metric.name, its_label) == (name, label), value) {
            found = Some(count);
        }
    });
    found.unwrap()
}
