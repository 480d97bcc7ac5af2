use std::num::NonZeroUsize;
use std::time::Duration;

use proptest::collection::vec;
use proptest::num::f64::ANY;
use proptest::prelude::{any, prop_assert, proptest};
use proptest::test_runner::Config;

use crate::gradient::Gradient;
use crate::window::Seen;
use crate::{Adaptive, Limit};

fn n(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

fn from(start: usize) -> Adaptive {
    Limit::adaptive().start(n(start))
}

/// A server with so many slots, each of which takes so many seconds.
#[derive(Clone, Copy)]
struct Server {
    slots: f64,
    base: f64,
}

impl Server {
    /// A window of 100 ms in which so many per second would come.
    fn window(self, limit: usize, offered: f64) -> Seen {
        let wanted = offered * self.base;
        let limit = limit as f64;
        let overloaded = offered > self.slots / self.base;
        let in_flight = if overloaded { limit } else { wanted.min(limit) };
        let mean = self.base * (in_flight / self.slots).max(1.0);
        let rate = offered.min(in_flight / mean);
        Seen {
            mean,
            given_up: 0.0,
            in_flight: in_flight.ceil() as usize,
            admitted: (rate / 10.0) as u64,
            refused: offered > rate * 1.001,
            span: 0.1,
        }
    }
}

/// Goes on for so many seconds, and returns the limits after each window.
fn run(policy: &mut Gradient, server: Server, offered: f64, seconds: usize) -> Vec<usize> {
    (0..seconds * 10)
        .map(|_| {
            policy.update(&server.window(policy.limit(), offered));
            policy.limit()
        })
        .collect()
}

const TWENTY: Server = Server {
    slots: 20.0,
    base: 0.010,
};
const WIDE: Server = Server {
    slots: 1e9,
    base: 0.010,
};

/// tower-resilience 0.13: 10 became 1,000.
#[test]
fn one_sequential_caller_does_not_grow_the_limit() {
    let mut policy = Gradient::new(from(10));
    // One at a time: as many as one in 10 ms.
    let limits = run(&mut policy, WIDE, 100.0, 600);
    assert_eq!(limits.last(), Some(&10));
}

/// tower-resilience 0.13, Vegas: 1,000 became 7, for its shortest time is for ever.
#[test]
fn a_base_shift_from_10_to_20_ms_does_not_collapse_the_limit() {
    let slower = Server {
        base: 0.020,
        ..WIDE
    };
    // Where the limit is far off, and where it is near.
    for (start, offered) in [(1_000, 10_000.0), (40, 2_000.0), (40, 3_500.0)] {
        let mut policy = Gradient::new(from(start));
        run(&mut policy, WIDE, offered, 60);
        let before = policy.limit();
        let limits = run(&mut policy, slower, offered, 60);
        let (least, last) = (limits.iter().min().unwrap(), limits.last().unwrap());
        let needed = (offered * slower.base) as usize;
        assert!(*last >= needed, "{before} -> {last}, needs {needed}");
        assert!(least * 4 >= before.min(needed), "{before} -> {least}");
        // And within 20 s all are served again.
        assert!(limits.iter().skip(200).all(|limit| *limit >= needed));
    }
}

#[test]
fn a_step_to_overload_converges_within_10_seconds() {
    for start in [20, 40, 1_000] {
        let mut policy = Gradient::new(from(start));
        run(&mut policy, TWENTY, 1_000.0, 60);
        let limits = run(&mut policy, TWENTY, 6_000.0, 60);
        // 20 at work, and a queue of its square root beside what is tolerated.
        for limit in limits.iter().skip(100) {
            assert!((20..=45).contains(limit), "from {start}: {limit}");
        }
    }
}

/// concurrency-limits#165: the baseline drifts with the queue, and the limit with it.
#[test]
fn an_hour_of_overload_does_not_become_usual() {
    let mut policy = Gradient::new(from(20));
    run(&mut policy, TWENTY, 1_000.0, 60);
    let limits = run(&mut policy, TWENTY, 6_000.0, 3_600);
    assert!(
        limits.iter().all(|limit| *limit <= 45),
        "{:?}",
        limits.last()
    );
}

#[test]
fn when_the_server_bears_more_again_the_limit_grows() {
    let mut policy = Gradient::new(from(20));
    run(&mut policy, TWENTY, 1_000.0, 60);
    run(&mut policy, TWENTY, 6_000.0, 60);
    let five_times = Server {
        slots: 100.0,
        ..TWENTY
    };
    let limits = run(&mut policy, five_times, 6_000.0, 20);
    assert!(*limits.last().unwrap() >= 60, "{:?}", limits.last());
    // All is well with what it needs, and a little more.
    assert!(limits.last().unwrap() <= &180, "{:?}", limits.last());
}

#[test]
fn a_server_that_loses_half_of_its_slots_under_load_is_not_buried() {
    let mut policy = Gradient::new(from(20));
    run(&mut policy, TWENTY, 1_800.0, 60);
    let half = Server {
        slots: 10.0,
        ..TWENTY
    };
    let limits = run(&mut policy, half, 1_800.0, 600);
    assert!(limits.iter().all(|limit| *limit <= 60), "{limits:?}");
}

#[test]
fn a_slow_minute_is_forgotten() {
    let mut policy = Gradient::new(from(40));
    run(&mut policy, TWENTY, 1_800.0, 60);
    let slow = Server {
        base: 0.100,
        ..TWENTY
    };
    run(&mut policy, slow, 1_800.0, 60);
    run(&mut policy, TWENTY, 1_800.0, 30);
    assert!(policy.limit() >= 18, "{}", policy.limit());
    // And so is what was usual then: overload is overload again.
    let limits = run(&mut policy, TWENTY, 6_000.0, 60);
    assert!(limits.last().unwrap() <= &60, "{:?}", limits.last());
}

#[test]
fn one_window_like_a_pause_of_the_collector_costs_a_tenth() {
    let mut policy = Gradient::new(from(40));
    run(&mut policy, WIDE, 3_000.0, 60);
    let before = policy.limit();
    let paused = Server {
        base: 0.300,
        ..WIDE
    };
    policy.update(&paused.window(before, 3_000.0));
    assert!(policy.limit() * 10 >= before * 9 - 10);
    run(&mut policy, WIDE, 3_000.0, 5);
    assert!(policy.limit() >= before, "{} of {before}", policy.limit());
}

#[test]
fn what_is_given_up_late_is_overload_also_where_the_limit_is_far_off() {
    let mut policy = Gradient::new(from(1_000));
    let mut seen = WIDE.window(1_000, 100.0);
    policy.update(&seen);
    assert_eq!(policy.limit(), 1_000);
    seen.given_up = 0.05;
    policy.update(&seen);
    assert_eq!(policy.limit(), 1_000);
    seen.given_up = 0.2;
    policy.update(&seen);
    assert_eq!(policy.limit(), 900);
    // All of them: there is no mean.
    (seen.given_up, seen.mean) = (1.0, 0.0);
    policy.update(&seen);
    assert_eq!(policy.limit(), 810);
}

#[test]
fn a_window_is_as_long_as_two_requests() {
    let mut policy = Gradient::new(from(20));
    assert_eq!(policy.window(), Duration::from_millis(100));
    assert_eq!(policy.tolerated(), None);
    policy.update(&WIDE.window(20, 1_000.0));
    assert_eq!(policy.window(), Duration::from_millis(100));
    assert_eq!(policy.tolerated(), Some(Duration::from_millis(15)));
    let mut policy = Gradient::new(from(20));
    let slow = Server { base: 2.0, ..WIDE };
    policy.update(&slow.window(20, 5.0));
    assert_eq!(policy.window(), Duration::from_secs(4));
}

#[test]
fn a_baseline_that_never_was_is_given_up_under_load() {
    let mut policy = Gradient::new(from(20).between(n(1), n(1_000)));
    let cached = Server { base: 1e-6, ..WIDE };
    run(&mut policy, cached, 1_000.0, 60);
    let limits = run(&mut policy, WIDE, 5_000.0, 60);
    assert!(limits.last().unwrap() >= &50, "{:?}", limits.last());
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_limit_stays_within_floor_and_ceiling_whatever_is_seen(
        windows in vec((ANY, ANY, any::<usize>(), any::<u64>(), any::<bool>(), ANY), 1..60),
        start in 1_usize.., floor in 1..50_usize, room in 0..1_000_usize,
        tolerance in any::<u16>(), smoothing in any::<u8>(),
    ) {
        let settings = from(start)
            .between(n(floor), n(floor + room))
            .tolerance_percent(tolerance)
            .smoothing_percent(smoothing);
        let mut policy = Gradient::new(settings);
        for (mean, given_up, in_flight, admitted, refused, span) in windows {
            policy.update(&Seen { mean, given_up, in_flight, admitted, refused, span });
            prop_assert!((floor..=floor + room).contains(&policy.limit()), "{policy:?}");
            prop_assert!(policy.window() >= Duration::from_millis(100));
        }
        // And after all that it can be filled, by as many as there is just room for.
        for _ in 0..20_000 {
            let mut seen = WIDE.window(policy.limit(), 1e9);
            seen.refused = false;
            policy.update(&seen);
        }
        prop_assert!(policy.limit() + 1 >= floor + room, "{policy:?}");
    }
}
