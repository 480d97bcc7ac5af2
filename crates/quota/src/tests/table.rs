//! The table, through the limiter: who is remembered, and who is forgotten.

use std::collections::HashMap;
use std::num::{NonZeroU16, NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proptest::prelude::{prop, prop_assert_eq, proptest};
use tokio::time::Instant;
use towerblock_core::TenantId;

use crate::{Ask, Name, Plan, Rate, RateLimiter, RatePolicy, Scope};

fn rate(units: u64) -> Rate {
    Rate::per_second(NonZeroU64::new(units).unwrap())
}

fn policy(name: &str, rate: Rate) -> RatePolicy {
    RatePolicy::new(Name::new(name).unwrap(), rate)
}

fn plan<const N: usize>(rates: [RatePolicy; N]) -> Arc<Plan> {
    Arc::new(Plan::new("test").rates(rates))
}

fn limiter(capacity: usize) -> RateLimiter {
    RateLimiter::new(NonZeroUsize::new(capacity).unwrap())
}

fn tenant(name: &impl ToString) -> TenantId {
    TenantId::new(name.to_string()).unwrap()
}

fn of(plan: &Arc<Plan>, name: &impl ToString) -> Ask {
    Ask::new(Arc::clone(plan), &tenant(name))
}

fn admitted(limiter: &RateLimiter, ask: &Ask, now: Instant, times: usize) -> usize {
    (0..times)
        .filter(|_| limiter.decide(ask.clone(), now).is_admitted())
        .count()
}

#[test]
fn a_refusal_charges_no_level() {
    let levels = plan([
        policy("tenant", rate(10)),
        policy("user", rate(3)).per(Scope::User),
        policy("route", rate(2)).per(Scope::Route),
    ]);
    // One bucket, and many: what is locked once, and one after the other.
    for capacity in [1, 100_000] {
        let (limiter, now) = (limiter(capacity), Instant::now());
        let ask = |user: &str, route: &str| of(&levels, &"acme").user(user).route(route);
        assert_eq!(admitted(&limiter, &ask("ann", "read"), now, 9), 2);
        let refused = limiter.decide(ask("ann", "read"), now);
        let violated: Vec<_> = refused.violated().map(|p| p.name().as_str()).collect();
        assert_eq!(violated, ["route"]);
        assert_eq!(refused.policy().unwrap().name().as_str(), "route");
        assert_eq!(admitted(&limiter, &ask("ann", "write"), now, 9), 1);
        assert_eq!(admitted(&limiter, &ask("bob", "list"), now, 9), 2);
        assert_eq!(
            admitted(&limiter, &of(&levels, &"acme").user("eve"), now, 9),
            3
        );
        // 8 are used: all that was refused was charged to nobody.
        let rest = limiter.decide(of(&levels, &"acme").cost(0), now);
        assert_eq!(rest.remaining(), 2);
        let too_much = limiter.decide(ask("zoe", "bulk").cost(4), now);
        let violated: Vec<_> = too_much.violated().map(|p| p.name().as_str()).collect();
        assert_eq!(violated, ["tenant", "user", "route"][..].to_vec());
    }
}

#[test]
fn ten_million_minted_keys_change_nothing() {
    let plan = plan([policy("requests", rate(5))]);
    let (limiter, now) = (limiter(20_000), Instant::now());
    let bytes = limiter.bytes();
    let tenants: Vec<_> = (0..1_000).map(|n| of(&plan, &n)).collect();
    for ask in &tenants {
        assert_eq!(admitted(&limiter, ask, now, 3), 3);
    }
    let mut through = 0_u64;
    for minted in 0..10_000_000_u64 {
        let ask = Ask::unverified(Arc::clone(&plan), minted);
        through += u64::from(limiter.decide(ask.clone(), now).is_admitted());
    }
    // Five for each place, and what all others share of each bucket.
    assert!(
        through <= 5 * (20_000 / 8 + 20_000 / 8 / 15 + 100),
        "{through}"
    );
    assert_eq!(limiter.bytes(), bytes);
    for ask in &tenants {
        assert_eq!(admitted(&limiter, ask, now, 9), 2);
    }
}

#[test]
fn whoever_finds_no_place_shares_one_and_takes_nobodys() {
    let plan = plan([policy("requests", rate(5))]);
    let (limiter, now) = (limiter(15), Instant::now());
    let first: Vec<_> = (0..15).map(|n| of(&plan, &n)).collect();
    for ask in &first {
        assert_eq!(admitted(&limiter, ask, now, 4), 4);
    }
    let others = (15..100).map(|n| admitted(&limiter, &of(&plan, &n), now, 5));
    assert_eq!(others.sum::<usize>(), 5);
    for ask in &first {
        assert_eq!(admitted(&limiter, ask, now, 5), 1);
    }
    // A moment later all is back, and the places are free.
    let later = now + Duration::from_secs(1);
    let others = (15..30).map(|n| admitted(&limiter, &of(&plan, &n), later, 9));
    assert_eq!(others.sum::<usize>(), 75);
}

#[test]
fn threads_that_meet_admit_exactly_the_limit() {
    let strict = Rate::strict(NonZeroU16::new(500).unwrap(), Duration::from_secs(3_600));
    let hour = Duration::from_secs(3_600);
    let slow = |units| Rate::new(NonZeroU64::new(units).unwrap(), hour);
    let levels = plan([
        policy("tenant", slow(1_000)),
        policy("user", strict).per(Scope::User),
        policy("route", slow(900)).per(Scope::Route),
    ]);
    for capacity in [1, 50, 10_000] {
        let (limiter, now) = (limiter(capacity), Instant::now());
        let hammer = |thread: usize| {
            let ask = of(&levels, &"acme").user(thread % 2).route("all");
            admitted(&limiter, &ask, now, 2_000)
        };
        let total: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || hammer(n))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(total, 900);
        let left = limiter.decide(of(&levels, &"acme").user(9).cost(0), now);
        assert_eq!(left.remaining(), 100);
    }
}

#[test]
fn a_shadow_says_what_it_would_have_done() {
    let enforced = plan([policy("requests", rate(3)).penalty(Duration::from_secs(5))]);
    let shadow = plan([policy("requests", rate(3))
        .penalty(Duration::from_secs(5))
        .shadow()]);
    let (one, two, now) = (limiter(100), limiter(100), Instant::now());
    for step in 0..200 {
        let now = now + Duration::from_millis(step * 40);
        let said = one.decide(of(&enforced, &"acme"), now).is_admitted();
        let would = two.decide(of(&shadow, &"acme"), now);
        assert!(would.is_admitted());
        assert_eq!(would.shadowed().next().is_none(), said, "{step}");
    }
}

#[test]
fn retries_do_not_extend_a_penalty() {
    let plan = plan([policy("requests", rate(3)).penalty(Duration::from_secs(60))]);
    let (limiter, now) = (limiter(100), Instant::now());
    let ask = of(&plan, &"acme");
    assert_eq!(admitted(&limiter, &ask, now, 3), 3);
    for second in 0..60 {
        let refused = limiter.decide(ask.clone(), now + Duration::from_secs(second));
        let wait = refused.rejected().and_then(|r| r.retry_after()).unwrap();
        let left = Duration::from_secs(60 - second);
        assert!(
            wait >= left && wait <= left + Duration::from_millis(100),
            "{wait:?}"
        );
    }
    // What costs more than ever is allowed blocks nobody.
    let over = now + Duration::from_millis(60_100);
    assert!(!limiter.decide(ask.clone().cost(4), over).is_admitted());
    assert!(limiter.decide(ask, over).is_admitted());
}

proptest! {
    #[test]
    fn a_small_table_forgets_nothing_that_counts(
        steps in prop::collection::vec((0_u32..40, 0_u64..200, 1_u64..4), 1..300),
    ) {
        let plan = plan([policy("requests", rate(5))]);
        let small = limiter(30);
        let mut alone: HashMap<u32, RateLimiter> = HashMap::new();
        let mut now = Instant::now();
        for (key, gap, cost) in steps {
            now += Duration::from_millis(gap);
            let ask = of(&plan, &key).cost(cost);
            let said = small.decide(ask.clone(), now);
            let known = alone.entry(key).or_insert_with(|| limiter(15));
            if !said.outcome.crowded {
                let truth = known.decide(ask.clone(), now);
                prop_assert_eq!(said.is_admitted(), truth.is_admitted());
                prop_assert_eq!(said.remaining(), truth.remaining());
            }
        }
    }
}
