use std::hint::black_box;
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use governor::{DefaultKeyedRateLimiter, Quota};
use tower_rate_tier::RateTier;

use crate::measure::{Subject, each};
use crate::subjects::UNITS;

pub(crate) fn governor_numbers(name: &'static str, keys: usize) -> Subject {
    let limiter = DefaultKeyedRateLimiter::<u64>::keyed(quota());
    Subject::new(name, keys, move |times, from| {
        for place in each(keys, times, from) {
            let _ = black_box(limiter.check_key(&(place as u64)));
        }
    })
}

pub(crate) fn governor_names(name: &'static str, names: &[String]) -> Subject {
    let limiter = DefaultKeyedRateLimiter::<String>::keyed(quota());
    let names = names.to_vec();
    Subject::new(name, names.len(), move |times, from| {
        for place in each(names.len(), times, from) {
            let _ = black_box(limiter.check_key(&names[place]));
        }
    })
}

pub(crate) fn tiered_names(name: &'static str, names: &[String]) -> Subject {
    let tiers = tiers();
    let names = names.to_vec();
    Subject::new(name, names.len(), move |times, from| {
        let mut cx = Context::from_waker(Waker::noop());
        for place in each(names.len(), times, from) {
            let checked = pin!(tiers.check(&names[place], "bench", 1)).poll(&mut cx);
            assert!(matches!(black_box(checked), Poll::Ready(Ok(Ok(_)))));
        }
    })
}

/// In memory, and nothing is collected.
pub(crate) fn tiers() -> RateTier {
    let quota = tower_rate_tier::Quota::per_second(UNITS);
    let tiers = RateTier::builder().tier("bench", quota);
    tiers.default_tier("bench").disable_gc().build()
}

fn quota() -> Quota {
    Quota::per_second(NonZeroU32::new(UNITS).expect("some"))
}
