//! The two rates against slow models of what they promise.

use std::num::{NonZeroU16, NonZeroU64};
use std::time::Duration;

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use crate::Rate;
use crate::state::{Judged, State};

fn n(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).unwrap()
}

fn steady(units: u64, per: Duration, burst: u64) -> Rate {
    Rate::new(n(units), per).burst(n(burst))
}

fn strict(limit: u16, window: Duration) -> Rate {
    Rate::strict(NonZeroU16::new(limit).unwrap(), window)
}

const SECOND: u64 = 1_000_000_000;

/// Whether it was admitted, or what was said.
fn ask(rate: &Rate, state: &mut State, now: u64, cost: u64) -> Result<u64, Judged> {
    match rate.judge(state, now, cost) {
        Judged::Room { remaining, .. } => {
            rate.charge(state, now, cost);
            Ok(remaining)
        }
        refused => Err(refused),
    }
}

fn wait(judged: Judged) -> u64 {
    match judged {
        Judged::Full { wait } => wait,
        other => panic!("{other:?}"),
    }
}

fn admitted_at_once(rate: &Rate, state: &mut State, now: u64) -> u64 {
    let mut admitted = 0;
    while ask(rate, state, now, 1).is_ok() {
        admitted += 1;
    }
    admitted
}

/// Gaps in nanoseconds, and costs.
fn arrivals(longest: u64) -> impl Strategy<Value = Vec<(u64, u64)>> {
    let gap = prop::sample::select(vec![0, 1, longest / 100, longest / 7, longest / 3, longest]);
    prop::collection::vec((gap, 0_u64..6), 1..120)
}

fn rates() -> impl Strategy<Value = Rate> {
    let times = prop::sample::select(vec![10_u64, 997, 1_000_000, 60 * SECOND, 86_400 * SECOND]);
    (1_u64..50, times, 1_u16..20, any::<bool>()).prop_map(|(units, nanos, limit, is_strict)| {
        let per = Duration::from_nanos(nanos);
        match is_strict {
            true => strict(limit, per),
            false => steady(units, per, limit.into()),
        }
    })
}

proptest! {
    #[test]
    fn a_steady_rate_is_a_bucket_that_leaks(
        units in 1_u64..1_000, burst in 1_u64..20, arrivals in arrivals(SECOND / 10),
    ) {
        let rate = steady(units, Duration::from_secs(1), burst);
        let each = u128::from(SECOND.div_ceil(units));
        let (mut state, mut now) = (State::default(), 0);
        // What is in the bucket, in nanoseconds of leaking.
        let mut level = 0_u128;
        let mut log = Vec::new();
        for (gap, cost) in arrivals {
            now += gap;
            level = level.saturating_sub(gap.into());
            let fits = cost == 0 || level + u128::from(cost) * each <= u128::from(burst) * each;
            prop_assert_eq!(ask(&rate, &mut state, now, cost).is_ok(), fits && cost <= burst);
            if fits && cost <= burst {
                level += u128::from(cost) * each;
                log.push((now, u128::from(cost)));
            }
        }
        // In any interval no more than the burst and what came back in it.
        for (first, (start, _)) in log.iter().enumerate() {
            let mut sum = 0;
            for (at, cost) in &log[first..] {
                sum += cost;
                let bound = u128::from(burst) * each + u128::from(at - start);
                prop_assert!(sum * each <= bound);
            }
        }
    }

    #[test]
    fn no_strict_window_ever_holds_more(
        limit in 1_u16..20, arrivals in arrivals(60 * SECOND), phase in 0_u64..100_000_000_000,
    ) {
        let window = 60 * SECOND;
        let rate = strict(limit, Duration::from_secs(60));
        let (mut state, mut now, mut log) = (State::default(), phase, Vec::new());
        for (gap, cost) in arrivals {
            now += gap / 8;
            if ask(&rate, &mut state, now, cost).is_ok() {
                log.push((now, cost));
            }
            let within = log.iter().filter(|(at, _)| at + window > now);
            let used: u64 = within.map(|(_, cost)| cost).sum();
            prop_assert!(used <= u64::from(limit), "{used} of {limit} at {now}");
        }
    }

    #[test]
    fn a_refusal_says_the_very_nanosecond(rate in rates(), arrivals in arrivals(20 * SECOND)) {
        let (mut state, mut now) = (State::default(), 0);
        for (gap, cost) in arrivals {
            now += gap;
            match ask(&rate, &mut state, now, cost) {
                Err(Judged::Full { wait }) => {
                    prop_assert!(wait > 0);
                    let early = rate.judge(&state, now + wait - 1, cost);
                    let full = matches!(early, Judged::Full { wait: 1 });
                    prop_assert!(full, "{early:?}");
                    let then = rate.judge(&state, now + wait, cost);
                    let room = matches!(then, Judged::Room { .. });
                    prop_assert!(room, "{then:?}");
                }
                Err(Judged::Never) => prop_assert!(cost > rate.limit()),
                _ => {}
            }
        }
    }

    #[test]
    fn what_remains_can_be_used(rate in rates(), arrivals in arrivals(SECOND)) {
        let (mut state, mut now) = (State::default(), 0);
        for (gap, cost) in arrivals {
            now += gap;
            if let Ok(remaining) = ask(&rate, &mut state, now, cost) {
                prop_assert_eq!(admitted_at_once(&rate, &mut state.clone(), now), remaining);
            }
        }
    }

    #[test]
    fn whoever_is_idle_is_as_good_as_new(
        rate in rates(), other in rates(), arrivals in arrivals(SECOND), later in 0..SECOND,
    ) {
        let (mut state, mut now) = (State::default(), 0);
        for (gap, cost) in arrivals {
            now += gap;
            let _ = ask(&rate, &mut state, now, cost);
            let then = now + later;
            if state.is_idle(then) {
                for rate in [rate, other] {
                    let mut new = State::default();
                    let left = admitted_at_once(&rate, &mut state.clone(), then);
                    prop_assert_eq!(left, admitted_at_once(&rate, &mut new, then));
                }
            }
        }
    }

    #[test]
    fn changing_plans_mints_nothing(
        rates in prop::collection::vec((1_u64..40, 1_u64..200), 2..5),
        steps in prop::collection::vec((0_usize..5, 0_u64..SECOND / 4), 1..200),
    ) {
        let plans: Vec<_> = rates.iter().map(|&(units, burst)| {
            steady(units, Duration::from_secs(1), burst)
        }).collect();
        let fastest = rates.iter().map(|(units, _)| *units).max().unwrap();
        let largest = rates.iter().map(|(_, burst)| *burst).max().unwrap();
        let (mut state, mut now, mut admitted) = (State::default(), 0, 0);
        for (plan, gap) in steps {
            now += gap;
            admitted += admitted_at_once(&plans[plan % plans.len()], &mut state, now);
            let back = u128::from(fastest) * u128::from(now) / u128::from(SECOND);
            prop_assert!(u128::from(admitted) <= u128::from(largest) + back + 1);
        }
    }
}

#[test]
fn the_units_used_outlive_a_change_of_plan() {
    let minute = Duration::from_secs(60);
    let free = steady(100, minute, 100);
    let pro = steady(1_000, minute, 1_000);
    let mut state = State::default();
    assert_eq!(admitted_at_once(&free, &mut state, 0), 100);
    assert_eq!(admitted_at_once(&pro, &mut state.clone(), 0), 900);
    // And from a strict plan to a steady one and back, a thousand times.
    let strict = strict(100, minute);
    let mut state = State::default();
    let mut admitted = 0;
    for _ in 0..1_000 {
        admitted += admitted_at_once(&strict, &mut state, 0);
        admitted += admitted_at_once(&pro, &mut state, 0);
    }
    assert_eq!(admitted, 1_000);
}

#[test]
fn whoever_always_asks_gets_four_fifths_of_a_strict_window() {
    let rate = strict(100, Duration::from_secs(60));
    let (mut state, mut admitted) = (State::default(), 0);
    for tenth in 0..6_000 * 10 {
        admitted += u64::from(ask(&rate, &mut state, tenth * SECOND / 10, 1).is_ok());
    }
    assert!((8_000..=10_100).contains(&admitted), "{admitted}");
}

#[test]
fn days_and_years_do_not_overflow() {
    let day = Duration::from_secs(86_400);
    let mut state = State::default();
    // What overflows governor.
    let slow = steady(1, day, 10);
    assert_eq!(ask(&slow, &mut state, 0, 213_505), Err(Judged::Never));
    assert_eq!(admitted_at_once(&slow, &mut state, 0), 10);
    let large = steady(1, day, 300_000);
    let mut state = State::default();
    assert_eq!(ask(&large, &mut state, SECOND, 300_000), Ok(0));
    let refused = ask(&large, &mut state, SECOND, 1).unwrap_err();
    assert_eq!(wait(refused), 86_400 * SECOND);

    let year = steady(1, Duration::from_secs(31_536_000), 1_000_000);
    assert_eq!(year.limit(), 1_000_000);
    for rate in [
        steady(u64::MAX, Duration::ZERO, u64::MAX),
        steady(u64::MAX, Duration::MAX, u64::MAX),
        steady(1, Duration::MAX, u64::MAX),
        steady(1, Duration::ZERO, 1),
        strict(u16::MAX, Duration::MAX),
        strict(1, Duration::ZERO),
    ] {
        for now in [0, 1, u64::MAX / 4] {
            let mut state = State::default();
            assert_eq!(ask(&rate, &mut state, now, rate.limit()), Ok(0), "{rate:?}");
            assert!(ask(&rate, &mut state, now, 1).is_err(), "{rate:?}");
            assert!(ask(&rate, &mut state, now, u64::MAX).is_err(), "{rate:?}");
        }
    }
}

#[test]
fn a_block_is_not_extended_and_ends_with_an_empty_window() {
    let rate = strict(100, Duration::from_secs(60));
    let mut state = State::default();
    assert_eq!(admitted_at_once(&rate, &mut state, SECOND), 100);
    assert_eq!(
        rate.block(&mut state, SECOND, 60 * SECOND, 75 * SECOND),
        60 * SECOND
    );
    let later = rate.judge(&state, 11 * SECOND, 1);
    let blocked = Judged::Blocked { wait: 50 * SECOND };
    assert_eq!(later, blocked);
    assert!(!state.is_idle(61 * SECOND - 1));
    assert!(state.is_idle(61 * SECOND));
    assert_eq!(admitted_at_once(&rate, &mut state, 61 * SECOND), 100);
}
