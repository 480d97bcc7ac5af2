use std::hint::black_box;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::Arc;

use governor::{DefaultKeyedRateLimiter, Quota};
use tokio::time::Instant;
use towerblock_core::{BoxError, TenantId};
use towerblock_quota::{Ask, Name, Plan, Rate, RateLimiter, RatePolicy, Scope};

use crate::measure::Subject;

/// So much that nobody is refused.
const UNITS: u32 = 100_000_000;

pub(crate) fn few() -> Result<Vec<Subject>, BoxError> {
    let (keys, names) = (tenants(10_000)?, names(10_000));
    let (one, three) = (levels(1)?, levels(3)?);
    Ok(vec![
        clock(),
        hot()?,
        ours("ours, 10,000 tenants", &keys, &one, 20_000)?,
        ours("ours, 10,000 tenants, 3 levels", &keys, &three, 60_000)?,
        ours_by_number("ours, 10,000 u64", 10_000, &one, 20_000)?,
        governor_numbers("governor, 10,000 u64", 10_000),
        ours_by_name("ours, 10,000 strings", &names, &one, 20_000)?,
        governor_names("governor, 10,000 strings", &names),
    ])
}

pub(crate) fn many() -> Result<Vec<Subject>, BoxError> {
    const MILLION: usize = 1_000_000;
    let (keys, names, one) = (tenants(MILLION)?, names(MILLION), levels(1)?);
    Ok(vec![
        ours("ours, tenants", &keys, &one, 1_500_000)?,
        ours_by_number("ours, u64", MILLION, &one, 1_500_000)?,
        governor_numbers("governor, u64", MILLION),
        ours_by_name("ours, strings", &names, &one, 1_500_000)?,
        governor_names("governor, strings", &names),
    ])
}

/// The bytes of each of a million keys, and how many of a hundred have no place.
pub(crate) fn full_of_a_million(capacity: usize) -> Result<(f64, f64), BoxError> {
    let limiter = RateLimiter::new(at_least_1(capacity)?);
    let long = Rate::new(NonZeroU64::MIN, std::time::Duration::from_secs(86_400));
    let plan = Arc::new(Plan::new("bench").rates([RatePolicy::new(Name::new("day")?, long)]));
    let now = Instant::now();
    let mut placed = 0_u32;
    for tenant in tenants(1_000_000)? {
        let decision = limiter.decide(Ask::new(Arc::clone(&plan), &tenant), now);
        placed += u32::from(decision.is_admitted());
    }
    let crowded = 100.0 - f64::from(placed) / 10_000.0;
    Ok((limiter.bytes() as f64 / 1e6, crowded))
}

/// What all but the next are made to do by the clock they read.
fn clock() -> Subject {
    subject("`Instant::now`, nothing else", |times, _| {
        for _ in 0..times {
            black_box(Instant::now());
        }
    })
}

fn hot() -> Result<Subject, BoxError> {
    let limiter = RateLimiter::new(at_least_1(1_000)?);
    let ask = Ask::new(levels(1)?, &TenantId::new("acme")?);
    let run = move |times, _| {
        let now = Instant::now();
        for _ in 0..times {
            black_box(limiter.decide(black_box(&ask).clone(), now));
        }
    };
    Ok(subject("ours, one tenant, told the time", run))
}

/// As in a request: says who asks, reads the clock, decides.
fn ours(
    name: &'static str,
    keys: &[TenantId],
    plan: &Arc<Plan>,
    capacity: usize,
) -> Result<Subject, BoxError> {
    let keys = keys.to_vec();
    let count = keys.len();
    let levels = plan.policies().len();
    asking(name, count, plan, capacity, move |plan, place| {
        match (levels, Ask::new(plan, &keys[place])) {
            (1, ask) => ask,
            (_, ask) => ask.user(7).route("all"),
        }
    })
}

fn ours_by_name(
    name: &'static str,
    keys: &[String],
    plan: &Arc<Plan>,
    capacity: usize,
) -> Result<Subject, BoxError> {
    let keys = keys.to_vec();
    asking(name, keys.len(), plan, capacity * 8, move |plan, place| {
        Ask::unverified(plan, keys[place].as_str())
    })
}

fn ours_by_number(
    name: &'static str,
    keys: usize,
    plan: &Arc<Plan>,
    capacity: usize,
) -> Result<Subject, BoxError> {
    asking(name, keys, plan, capacity * 8, |plan, place| {
        Ask::unverified(plan, place as u64)
    })
}

fn asking(
    name: &'static str,
    keys: usize,
    plan: &Arc<Plan>,
    capacity: usize,
    ask: impl Fn(Arc<Plan>, usize) -> Ask + 'static,
) -> Result<Subject, BoxError> {
    let limiter = RateLimiter::new(at_least_1(capacity)?);
    let plan = Arc::clone(plan);
    let each = Each::new(keys);
    Ok(subject(name, move |times, from| {
        for place in each.of(times, from) {
            let ask = ask(Arc::clone(&plan), place);
            black_box(limiter.decide(ask, Instant::now()));
        }
    }))
}

pub(crate) fn governor_numbers(name: &'static str, keys: usize) -> Subject {
    let limiter = DefaultKeyedRateLimiter::<u64>::keyed(quota());
    let each = Each::new(keys);
    subject(name, move |times, from| {
        for place in each.of(times, from) {
            let _ = black_box(limiter.check_key(&(place as u64)));
        }
    })
}

pub(crate) fn governor_names(name: &'static str, keys: &[String]) -> Subject {
    let limiter = DefaultKeyedRateLimiter::<String>::keyed(quota());
    let keys = keys.to_vec();
    let each = Each::new(keys.len());
    subject(name, move |times, from| {
        for place in each.of(times, from) {
            let _ = black_box(limiter.check_key(&keys[place]));
        }
    })
}

/// Keys in an order that no cache foresees.
struct Each {
    keys: usize,
}

impl Each {
    fn new(keys: usize) -> Self {
        Self { keys }
    }

    fn of(&self, times: usize, from: usize) -> impl Iterator<Item = usize> + use<> {
        let keys = self.keys;
        let mixed = |n: usize| (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
        (from..from + times).map(move |n| mixed(n) as usize % keys)
    }
}

fn subject(name: &'static str, run: impl Fn(usize, usize) + 'static) -> Subject {
    let run = Box::new(run);
    Subject { name, run }
}

pub(crate) fn levels(count: usize) -> Result<Arc<Plan>, BoxError> {
    let rate = Rate::per_second(NonZeroU64::from(NonZeroU32::new(UNITS).ok_or("none")?));
    let policy =
        |name: &str, scope| Ok::<_, BoxError>(RatePolicy::new(Name::new(name)?, rate).per(scope));
    let (tenant, user, route) = (
        policy("tenant", Scope::Tenant)?,
        policy("user", Scope::User)?,
        policy("route", Scope::Route)?,
    );
    let plan = Plan::new("bench");
    Ok(Arc::new(match count {
        1 => plan.rates([tenant]),
        _ => plan.rates([tenant, user, route]),
    }))
}

fn quota() -> Quota {
    Quota::per_second(NonZeroU32::new(UNITS).expect("some"))
}

pub(crate) fn tenants(count: usize) -> Result<Vec<TenantId>, BoxError> {
    let ids = (0..count).map(|n| TenantId::new(format!("tenant-{n}")));
    Ok(ids.collect::<Result<_, _>>()?)
}

/// As long as a UUID.
fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:036}")).collect()
}

fn at_least_1(keys: usize) -> Result<NonZeroUsize, BoxError> {
    Ok(NonZeroUsize::new(keys).ok_or("none")?)
}
