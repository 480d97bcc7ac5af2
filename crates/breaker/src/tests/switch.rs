use std::time::Duration;

use super::{BAD, Bench, GOOD, SLOW, backoff, changed};
use crate::mark::{Admitted, Finished, Mark};
use crate::word::LAST_GENERATION;
use crate::{Policy, Probes, State, Window};

const SLOW_OVER: Duration = Duration::from_millis(500);

fn half_of_ten() -> Policy {
    Policy::rate(Window::calls(10).at_least(10)).backoff(backoff())
}

fn three_probes() -> Policy {
    Policy::in_a_row(1)
        .backoff(backoff())
        .probes(Probes::calls(3))
}

#[test]
fn tower_resilience_the_count_window_slides_after_any_number_of_successes() {
    let bench = Bench::new(half_of_ten());
    (0..10_000).for_each(|_| assert!(bench.call(GOOD)));
    assert_eq!(bench.opens_after(BAD), 5);
}

#[test]
fn the_minimum_is_exact() {
    for at_least in [1, 2, 9, 10] {
        let policy = Policy::rate(Window::calls(10).at_least(at_least));
        assert_eq!(Bench::new(policy).opens_after(BAD), at_least as usize);
        let time = Policy::rate(Window::time(SLOW_OVER).at_least(at_least));
        assert_eq!(Bench::new(time).opens_after(BAD), at_least as usize);
    }
}

#[test]
fn a_success_never_opens_it() {
    let bench = Bench::new(Policy::rate(Window::calls(10).at_least(10)));
    (0..9).for_each(|_| assert!(bench.call(BAD)));
    assert!(bench.call(GOOD));
    assert_eq!(bench.state(), State::Closed, "nine of ten, and still");
    bench.call(BAD);
    assert_eq!(bench.state(), State::Open);
}

#[test]
fn any_condition_opens_it() {
    let policy = Policy::rate(Window::calls(100).at_least(20)).or_in_a_row(5);
    assert_eq!(Bench::new(policy).opens_after(BAD), 5);
    let bench = Bench::new(policy);
    for _ in 0..5 {
        (0..2).for_each(|_| assert!(bench.call(GOOD)));
        (0..2).for_each(|_| assert!(bench.call(BAD)));
    }
    assert_eq!(bench.state(), State::Open, "half of twenty");
    let slow = Policy::in_a_row(5)
        .or_rate(Window::calls(4).at_least(4))
        .slow_over(SLOW_OVER);
    assert_eq!(Bench::new(slow).opens_after(SLOW), 4);
}

#[test]
fn a_success_ends_a_row() {
    let bench = Bench::new(Policy::in_a_row(3));
    for _ in 0..100 {
        (0..2).for_each(|_| assert!(bench.call(BAD)));
        assert!(bench.call(GOOD));
    }
    assert_eq!(bench.opens_after(BAD), 3);
}

#[test]
fn what_tells_nothing_changes_nothing() {
    let bench = Bench::new(Policy::in_a_row(2));
    assert!(bench.call(BAD));
    (0..100).for_each(|_| assert!(bench.call(Mark::Nothing)));
    assert_eq!(bench.opens_after(BAD), 1);
}

#[test]
fn tower_resilience_a_slow_probe_does_not_close_it() {
    let policy = three_probes().slow_over(SLOW_OVER);
    let mut bench = Bench::new(policy);
    bench.open_and_wait();
    assert!(bench.call(GOOD));
    assert!(bench.call(SLOW));
    assert_eq!(bench.state(), State::Open);
}

#[test]
fn resilience4j_544_probes_that_tell_nothing_never_wedge_it() {
    let mut bench = Bench::new(three_probes());
    bench.open_and_wait();
    (0..1_000).for_each(|_| assert!(bench.call(Mark::Nothing)));
    (0..3).for_each(|_| assert!(bench.call(GOOD)));
    assert_eq!(bench.state(), State::Closed);
}

#[test]
fn resilience4j_597_probes_further_apart_than_the_window_decide() {
    let window = Window::time(Duration::from_secs(1)).at_least(2);
    let policy = Policy::rate(window)
        .backoff(backoff())
        .probes(Probes::calls(3));
    let mut bench = Bench::new(policy);
    bench.open_and_wait();
    for _ in 0..3 {
        bench.now += 1_000_000;
        assert!(bench.call(GOOD));
    }
    assert_eq!(bench.state(), State::Closed);
}

#[test]
fn recloser_and_failsafe_no_more_than_the_probes_pass_when_half_open() {
    let mut bench = Bench::new(three_probes());
    bench.open_and_wait();
    let admitted = (0..100).filter(|_| bench.enter().is_some()).count();
    assert_eq!(admitted, 3);
}

#[test]
fn it_is_decided_as_soon_as_it_is_certain() {
    let policy = three_probes().probes(Probes::calls(5).may_fail(2));
    for (marks, state) in [
        (&[GOOD, GOOD][..], State::HalfOpen),
        (&[GOOD, GOOD, GOOD], State::Closed),
        (&[BAD, GOOD, BAD, GOOD, GOOD], State::Closed),
        (&[BAD, BAD], State::HalfOpen),
        (&[BAD, GOOD, BAD, BAD], State::Open),
    ] {
        let mut bench = Bench::new(policy);
        bench.open_and_wait();
        marks.iter().for_each(|mark| assert!(bench.call(*mark)));
        assert_eq!(bench.state(), state, "{marks:?}");
    }
}

#[test]
fn tower_resilience_a_probe_that_hangs_makes_room_and_its_late_outcome_is_ignored() {
    let policy = three_probes().probes(Probes::calls(1).lease(Duration::from_secs(3)));
    let mut bench = Bench::new(policy);
    bench.open_and_wait();
    let hung = bench.enter().unwrap();
    // The wait that it tells is short: the probe may answer at any time.
    assert_eq!(bench.admit(), Admitted::Not(Some(1_000)));
    bench.now += 2_999;
    assert_eq!(bench.admit(), Admitted::Not(Some(1)));
    bench.now += 1;
    let Admitted::Begins(again) = bench.admit() else {
        panic!("the lease has ended");
    };
    assert_eq!((again.from, again.to), (State::HalfOpen, State::HalfOpen));
    assert!(bench.enter().is_none(), "one at a time");
    for mark in [GOOD, BAD, Mark::Nothing] {
        assert_eq!(bench.finish(hung, mark), Finished::Stale);
        assert_eq!(bench.state(), State::HalfOpen);
    }
    assert!(bench.enter().is_none());
    let closed = changed(bench.finish(again.generation, GOOD));
    assert_eq!(closed.map(|it| it.to), Some(State::Closed));
}

#[test]
fn a_lease_is_not_over_while_there_is_room_for_a_probe() {
    let mut bench = Bench::new(three_probes());
    bench.open_and_wait();
    let first = bench.enter().unwrap();
    bench.now += 1_000_000;
    assert_eq!(bench.enter(), Some(first), "of the same generation");
}

#[test]
fn tower_resilience_an_outcome_of_an_earlier_generation_has_no_effect() {
    for mark in [GOOD, BAD, Mark::Nothing] {
        let policy = three_probes().probes(Probes::calls(1));
        let mut bench = Bench::new(policy);
        let closed = bench.enter().unwrap();
        bench.open_and_wait();
        assert_eq!(bench.finish(closed, mark), Finished::Stale);
        assert_eq!(bench.state(), State::Open);
        let probe = bench.enter().unwrap();
        assert_eq!(bench.finish(closed, mark), Finished::Stale);
        assert_eq!(bench.state(), State::HalfOpen);
        assert!(bench.enter().is_none(), "the probe is still out");
        bench.finish(probe, GOOD);
        for stale in [closed, probe] {
            assert_eq!(bench.finish(stale, mark), Finished::Stale);
            assert_eq!(bench.state(), State::Closed);
        }
    }
}

#[test]
fn it_stays_open_twice_as_long_each_time() {
    let mut bench = Bench::new(three_probes());
    let mut waits = vec![bench.open()];
    for _ in 0..4 {
        bench.now += waits.last().unwrap();
        waits.push(bench.open());
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 8_000]);
    // Closed only just, it has forgotten nothing; after a healthy minute, one.
    bench.now += 8_000;
    (0..3).for_each(|_| assert!(bench.call(GOOD)));
    assert_eq!(bench.open(), 8_000);
    bench.now += 8_000;
    (0..3).for_each(|_| assert!(bench.call(GOOD)));
    bench.now += 60_000 * 5;
    assert_eq!(bench.open(), 2_000);
    bench.now += 2_000;
    (0..3).for_each(|_| assert!(bench.call(GOOD)));
    bench.now += 60_000 * 100;
    assert_eq!(bench.open(), 1_000);
}

#[test]
fn it_stays_open_as_long_as_it_was_asked_to_and_no_longer_than_the_longest() {
    for (asked, open) in [(500, 1_000), (5_000, 5_000), (u64::MAX / 2, 8_000)] {
        let bench = Bench::new(three_probes());
        bench.switch.ask(asked);
        assert_eq!(bench.state(), State::Closed, "asking does not open it");
        assert_eq!(bench.open(), open);
    }
}

#[test]
fn tower_resilience_a_forced_state_does_not_end_by_itself() {
    let mut bench = Bench::new(three_probes());
    bench.switch.force(State::ForcedOpen);
    bench.now += u64::MAX / 4;
    assert_eq!(bench.admit(), Admitted::Not(None));
    assert!(bench.switch.force(State::ForcedOpen).is_none(), "it is");

    bench.switch.force(State::ForcedClosed);
    (0..1_000).for_each(|_| assert!(bench.call(BAD)));
    assert_eq!(bench.state(), State::ForcedClosed);

    let admitted = bench.enter().unwrap();
    bench.switch.force(State::Closed);
    assert_eq!(bench.state(), State::Closed);
    assert_eq!(bench.finish(admitted, BAD), Finished::Stale);
    assert!(bench.switch.force(State::Closed).is_none(), "it is");
    assert_eq!(bench.open(), 1_000);
    assert!(bench.switch.force(State::Closed).is_none(), "not forced");
    assert_eq!(bench.state(), State::Open);
}

#[test]
fn forced_while_it_is_probed_it_ignores_the_probes() {
    let mut bench = Bench::new(three_probes());
    bench.open_and_wait();
    let probe = bench.enter().unwrap();
    bench.switch.force(State::ForcedOpen);
    assert_eq!(bench.finish(probe, GOOD), Finished::Stale);
    assert_eq!(bench.state(), State::ForcedOpen);
    bench.switch.force(State::Closed);
    assert_eq!(bench.open(), 1_000, "and nothing is remembered");
}

#[test]
fn released_it_does_not_wait_for_what_it_was_asked_before() {
    let bench = Bench::new(three_probes());
    bench.switch.ask(7_000);
    assert_eq!(bench.open(), 7_000);
    bench.switch.force(State::ForcedClosed);
    bench.switch.force(State::Closed);
    assert_eq!(bench.open(), 1_000);
}

#[test]
fn closed_again_it_has_seen_nothing() {
    for window in [Window::calls(10), Window::time(Duration::from_secs(1_000))] {
        let policy = Policy::rate(window.at_least(10))
            .backoff(backoff())
            .or_in_a_row(50);
        let mut bench = Bench::new(policy.probes(Probes::calls(1)));
        bench.open_and_wait();
        assert!(bench.call(GOOD));
        assert_eq!(bench.opens_after(BAD), 10);
    }
}

#[test]
fn generations_go_round() {
    for generation in LAST_GENERATION - 6..=LAST_GENERATION {
        let policy = Policy::rate(Window::calls(10).at_least(4)).or_in_a_row(4);
        let policy = policy.backoff(backoff()).probes(Probes::calls(1));
        let mut bench = Bench::since(policy, generation);
        for _ in 0..5 {
            let before = bench.enter().unwrap();
            bench.now += 10_000_000;
            (0..5).for_each(|_| assert!(bench.call(GOOD)));
            assert_eq!(bench.opens_after(BAD), 4);
            bench.now += 1_000;
            assert!(bench.call(GOOD));
            assert_eq!(bench.state(), State::Closed);
            assert_eq!(bench.finish(before, BAD), Finished::Stale);
        }
    }
}

#[test]
fn a_time_window_goes_on_where_generations_go_round() {
    let window = Window::time(Duration::from_secs(1)).at_least(4);
    let policy = Policy::rate(window)
        .backoff(backoff())
        .probes(Probes::calls(1));
    let mut bench = Bench::since(policy, LAST_GENERATION);
    for _ in 0..3 {
        assert_eq!(bench.opens_after(BAD), 4);
        bench.now += 1_000_000;
        assert!(bench.call(GOOD));
    }
}

#[test]
fn it_is_as_new_when_nothing_bad_is_left() {
    let policy = Policy::rate(Window::time(Duration::from_secs(1)).at_least(3));
    let mut bench = Bench::new(policy.backoff(backoff()).probes(Probes::calls(1)));
    let as_new = |bench: &Bench| bench.switch.is_as_new(&bench.policy, bench.now);
    assert!(bench.call(GOOD) && as_new(&bench));
    assert!(bench.call(BAD) && !as_new(&bench));
    bench.now += 1_000;
    assert!(as_new(&bench), "out of the window");
    bench.open_and_wait();
    assert!(!as_new(&bench), "open");
    assert!(
        bench.call(GOOD) && !as_new(&bench),
        "it would stay open for longer"
    );
    bench.now += 60_000;
    assert!(as_new(&bench));
    bench.switch.force(State::ForcedClosed);
    assert!(!as_new(&bench));

    let bench = Bench::new(Policy::in_a_row(3));
    assert!(bench.call(BAD) && !as_new(&bench));
    assert!(bench.call(GOOD) && as_new(&bench));
}
