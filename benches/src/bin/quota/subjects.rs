use std::hint::black_box;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;

use tokio::time::Instant;
use towerblock_core::{BoxError, TenantId};
use towerblock_quota::{Ask, Name, Plan, Rate, RateLimiter, RatePolicy, Scope};

use crate::measure::{Subject, each};
use crate::peers;

/// So much that nobody is refused.
pub(crate) const UNITS: u32 = 100_000_000;

pub(crate) fn few() -> Result<Vec<Subject>, BoxError> {
    const KEYS: usize = 10_000;
    let (keys, names) = (tenants(KEYS)?, names(KEYS));
    let (one, three) = (levels(1)?, levels(3)?);
    Ok(vec![
        clock(),
        hot()?,
        ours("ours, tenants, told the time", &keys, &one, Clock::Told)?,
        ours("ours, tenants", &keys, &one, Clock::Read)?,
        ours("ours, 3 levels, told the time", &keys, &three, Clock::Told)?,
        ours("ours, 3 levels", &keys, &three, Clock::Read)?,
        ours_by_number("ours, u64", KEYS, &one)?,
        peers::governor_numbers("governor, u64", KEYS),
        ours_by_name("ours, strings", &names, &one)?,
        peers::governor_names("governor, strings", &names),
        peers::tiered_names("tower-rate-tier, strings", &names),
    ])
}

pub(crate) fn many() -> Result<Vec<Subject>, BoxError> {
    const KEYS: usize = 1_000_000;
    let (keys, names, one) = (tenants(KEYS)?, names(KEYS), levels(1)?);
    Ok(vec![
        ours("ours, tenants, told the time", &keys, &one, Clock::Told)?,
        ours("ours, tenants", &keys, &one, Clock::Read)?,
        ours_by_number("ours, u64", KEYS, &one)?,
        peers::governor_numbers("governor, u64", KEYS),
        ours_by_name("ours, strings", &names, &one)?,
        peers::governor_names("governor, strings", &names),
        peers::tiered_names("tower-rate-tier, strings", &names),
        // One miss of the cache and the clock: nothing that keeps as much is faster.
        miss(KEYS),
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

/// Whether each decision reads the clock, as it does in a request.
#[derive(Clone, Copy)]
enum Clock {
    Read,
    Told,
}

/// What all but those that are told the time are made to do by the clock they read.
fn clock() -> Subject {
    Subject::new("`Instant::now`, nothing else", 1, |times, _| {
        for _ in 0..times {
            black_box(Instant::now());
        }
    })
}

/// 40 bytes for each key, of which one word is read where no cache foresees it, and the clock.
fn miss(keys: usize) -> Subject {
    let words = vec![1_u64; keys * 5];
    Subject::new(
        "a word of as many bytes, and the clock",
        keys,
        move |times, from| {
            for place in each(keys, times, from) {
                let mixed = (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
                black_box(words[mixed as usize % words.len()]);
                black_box(Instant::now());
            }
        },
    )
}

fn hot() -> Result<Subject, BoxError> {
    let limiter = RateLimiter::new(at_least_1(1_000)?);
    let ask = Ask::new(levels(1)?, &TenantId::new("acme")?);
    let run = move |times, _| {
        let now = Instant::now();
        for _ in 0..times {
            let decision = limiter.decide(black_box(&ask).clone(), now);
            black_box(&decision);
        }
    };
    Ok(Subject::new("ours, one tenant, told the time", 1, run))
}

fn ours(
    name: &'static str,
    keys: &[TenantId],
    plan: &Arc<Plan>,
    clock: Clock,
) -> Result<Subject, BoxError> {
    let keys = keys.to_vec();
    let count = keys.len();
    let levels = plan.policies().len();
    // As many keys again find a place; of a million as many as fit into 64 bytes for each.
    let capacity = if count > 100_000 {
        count * 3 / 2
    } else {
        count * 2 * levels
    };
    asking(
        name,
        (count, capacity),
        plan,
        clock,
        move |plan, place| match (levels, Ask::new(plan, &keys[place])) {
            (1, ask) => ask,
            (_, ask) => ask.user(7).route("all"),
        },
    )
}

fn ours_by_name(
    name: &'static str,
    keys: &[String],
    plan: &Arc<Plan>,
) -> Result<Subject, BoxError> {
    let keys = keys.to_vec();
    let size = (keys.len(), keys.len() * 12);
    asking(name, size, plan, Clock::Read, move |plan, place| {
        Ask::unverified(plan, keys[place].as_str())
    })
}

fn ours_by_number(name: &'static str, keys: usize, plan: &Arc<Plan>) -> Result<Subject, BoxError> {
    asking(name, (keys, keys * 12), plan, Clock::Read, |plan, place| {
        Ask::unverified(plan, place as u64)
    })
}

/// Says who asks, and decides.
fn asking(
    name: &'static str,
    (keys, capacity): (usize, usize),
    plan: &Arc<Plan>,
    clock: Clock,
    ask: impl Fn(Arc<Plan>, usize) -> Ask + 'static,
) -> Result<Subject, BoxError> {
    let limiter = RateLimiter::new(at_least_1(capacity)?);
    let plan = Arc::clone(plan);
    let began = Instant::now();
    Ok(Subject::new(name, keys, move |times, from| {
        for place in each(keys, times, from) {
            let ask = ask(Arc::clone(&plan), place);
            let now = match clock {
                Clock::Read => Instant::now(),
                Clock::Told => began,
            };
            let decision = limiter.decide(ask, now);
            black_box(&decision);
        }
    }))
}

pub(crate) fn levels(count: usize) -> Result<Arc<Plan>, BoxError> {
    let rate = Rate::per_second(NonZeroU64::new(UNITS.into()).ok_or("none")?);
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

pub(crate) fn tenants(count: usize) -> Result<Vec<TenantId>, BoxError> {
    let ids = (0..count).map(|n| TenantId::new(format!("tenant-{n}")));
    Ok(ids.collect::<Result<_, _>>()?)
}

/// As long as a UUID.
pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:036}")).collect()
}

fn at_least_1(keys: usize) -> Result<NonZeroUsize, BoxError> {
    Ok(NonZeroUsize::new(keys).ok_or("none")?)
}
