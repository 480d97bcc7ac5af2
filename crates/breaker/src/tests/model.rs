//! Any order of calls, outcomes and waits, beside the same in one thread's plain words.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::{Bench, backoff};
use crate::mark::Mark;
use crate::{Policy, Probes, State, Window};

const SIZE: usize = 6;
const AT_LEAST: usize = 3;
const IN_A_ROW: usize = 4;
const PROBES: usize = 3;
const MAY_FAIL: usize = 1;
const LEASE: u64 = 2_000;

/// What it should do, without a word, a tag or a ring.
struct Model {
    state: State,
    generation: u32,
    level: u32,
    until: u64,
    closed_since: u64,
    calls: VecDeque<(u64, bool, bool)>,
    row: usize,
    out: usize,
    passed: usize,
    failed: usize,
    span: Option<u64>,
}

impl Model {
    fn enter(&mut self, state: State) {
        self.generation += 1;
        self.state = state;
        self.calls.clear();
        (self.row, self.out, self.passed, self.failed) = (0, 0, 0, 0);
    }

    fn admit(&mut self, now: u64) -> Option<u32> {
        let full = self.out + self.passed + self.failed == PROBES;
        match self.state {
            State::ForcedOpen => return None,
            State::Open if now < self.until => return None,
            State::HalfOpen if full && now < self.until => return None,
            State::Closed | State::ForcedClosed => {}
            State::HalfOpen if !full => self.out += 1,
            State::Open | State::HalfOpen => {
                self.enter(State::HalfOpen);
                self.until = now + LEASE;
                self.out = 1;
            }
        }
        Some(self.generation)
    }

    fn open(&mut self, now: u64) {
        if self.state == State::Closed {
            let healthy = u32::try_from((now - self.closed_since) / 60_000).unwrap();
            self.level = self.level.saturating_sub(healthy);
        }
        self.level += 1;
        self.enter(State::Open);
        self.until = now + (1_000 << (self.level - 1).min(3));
    }

    fn finish(&mut self, now: u64, generation: u32, mark: Mark) {
        if generation != self.generation {
            return;
        }
        match (self.state, mark) {
            (State::Closed, Mark::Done { failed, slow }) => {
                self.calls.push_back((now, failed, slow));
                if self.span.is_none() && self.calls.len() > SIZE {
                    self.calls.pop_front();
                }
                self.row = if failed { self.row + 1 } else { 0 };
                if (failed || slow) && (self.row >= IN_A_ROW || self.too_many(now)) {
                    self.open(now);
                }
            }
            (State::HalfOpen, Mark::Nothing) => self.out -= 1,
            (State::HalfOpen, Mark::Done { failed, slow }) => {
                self.out -= 1;
                if failed || slow {
                    self.failed += 1;
                } else {
                    self.passed += 1;
                }
                if self.failed > MAY_FAIL {
                    self.open(now);
                } else if self.passed == PROBES - MAY_FAIL {
                    self.enter(State::Closed);
                    self.closed_since = now;
                }
            }
            _ => {}
        }
    }

    fn too_many(&self, now: u64) -> bool {
        let within = |at: u64| {
            self.span
                .is_none_or(|span| now / (span / 10) - at / (span / 10) < 10)
        };
        let seen: Vec<_> = self.calls.iter().filter(|call| within(call.0)).collect();
        let failed = seen.iter().filter(|call| call.1).count();
        let slow = seen.iter().filter(|call| call.2).count();
        let too_many = |bad: usize| bad > 0 && 2 * bad >= seen.len();
        seen.len() >= AT_LEAST && (too_many(failed) || too_many(slow))
    }

    fn force(&mut self, state: State) {
        let releases = state == State::Closed && !self.state.is_forced();
        if self.state != state && !releases {
            self.enter(state);
            self.level = 0;
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Admit,
    Finish(prop::sample::Index, Mark),
    Wait(u64),
    Force(State),
}

fn step() -> impl Strategy<Value = Step> {
    let done = (any::<bool>(), any::<bool>(), 0..4_u8);
    let mark = done.prop_map(|(failed, slow, kind)| match kind {
        0 => Mark::Nothing,
        1 => Mark::Done { failed, slow },
        2 => super::GOOD,
        _ => super::BAD,
    });
    let state = prop_oneof![
        Just(State::ForcedOpen),
        Just(State::ForcedClosed),
        Just(State::Closed)
    ];
    prop_oneof![
        20 => Just(Step::Admit),
        20 => (any::<prop::sample::Index>(), mark).prop_map(|(at, mark)| Step::Finish(at, mark)),
        4 => (0..1_500_u64).prop_map(Step::Wait),
        1 => (0..200_000_u64).prop_map(Step::Wait),
        1 => state.prop_map(Step::Force),
    ]
}

fn same_as_the_model(window: Window, span: Option<u64>, steps: &[Step]) {
    let policy = Policy::rate(window.at_least(AT_LEAST as u32))
        .or_in_a_row(IN_A_ROW as u32)
        .slow_over(Duration::from_millis(1))
        .backoff(backoff())
        .probes(
            Probes::calls(PROBES as u8)
                .may_fail(MAY_FAIL as u8)
                .lease(Duration::from_millis(LEASE)),
        );
    let mut bench = Bench::new(policy);
    let mut model = Model {
        state: State::Closed,
        generation: 0,
        level: 0,
        until: 0,
        closed_since: 0,
        calls: VecDeque::new(),
        row: 0,
        out: 0,
        passed: 0,
        failed: 0,
        span,
    };
    let mut under_way = Vec::new();
    for step in steps {
        match *step {
            Step::Admit => {
                let admitted = bench.enter();
                assert_eq!(admitted, model.admit(bench.now), "{step:?}");
                under_way.extend(admitted);
            }
            Step::Finish(at, mark) if !under_way.is_empty() => {
                let generation = under_way.swap_remove(at.index(under_way.len()));
                bench.finish(generation, mark);
                model.finish(bench.now, generation, mark);
            }
            Step::Finish(..) => {}
            Step::Wait(millis) => bench.now += millis,
            Step::Force(state) => {
                bench.switch.force(state);
                model.force(state);
            }
        }
        assert_eq!(bench.state(), model.state, "{step:?}");
        assert_eq!(bench.switch.word().generation(), model.generation);
    }
}

proptest! {
    #[test]
    fn a_window_of_calls_does_what_the_model_does(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        same_as_the_model(Window::calls(SIZE as u16), None, &steps);
    }

    #[test]
    fn a_window_of_time_does_what_the_model_does(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let span = 3_000;
        same_as_the_model(Window::time(Duration::from_millis(span)), Some(span), &steps);
    }
}
