//! Every order in which threads may run, of the sources themselves: they are built here once
//! more, with loom's atomics in the place of `sync.rs`.

#![expect(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a crate's modules in a test"
)]

#[path = "../src/backoff.rs"]
mod backoff;
#[path = "../src/buckets.rs"]
mod buckets;
#[path = "../src/mark.rs"]
mod mark;
#[path = "../src/policy.rs"]
mod policy;
#[path = "../src/probes.rs"]
mod probes;
#[path = "../src/ring.rs"]
mod ring;
#[path = "../src/switch.rs"]
mod switch;
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
}
#[path = "../src/tagged.rs"]
mod tagged;
#[path = "../src/window.rs"]
mod window;
#[path = "../src/word.rs"]
mod word;

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use self::mark::{Admitted, Change, Finished, Mark};
use self::switch::Switch;
pub(crate) use self::{
    backoff::Backoff, policy::Policy, probes::Probes, window::Window, word::State,
};

const GOOD: Mark = Mark::Done {
    failed: false,
    slow: false,
};
const BAD: Mark = Mark::Done {
    failed: true,
    slow: false,
};

/// With at most three switches between threads where none has to wait: more take minutes.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

fn policy() -> Policy {
    let backoff = Backoff::from(Duration::from_secs(1)).jitter_percent(0);
    Policy::in_a_row(1)
        .backoff(backoff)
        .probes(Probes::calls(2))
}

/// Opened at 0, to be probed from 1,000 on.
fn open(policy: &Policy) -> Arc<Switch> {
    let switch = Switch::new(policy, 7);
    assert!(matches!(
        switch.finish(policy, 0, 0, BAD),
        Finished::Changed(_)
    ));
    Arc::new(switch)
}

fn admit(switch: &Switch, policy: &Policy, now: u64) -> (Option<u32>, Option<Change>) {
    match switch.admit(policy, now) {
        Admitted::Passes(generation) => (Some(generation), None),
        Admitted::Begins(change) => (Some(change.generation), Some(change)),
        Admitted::Not(_) => (None, None),
    }
}

fn change(finished: Finished) -> Option<Change> {
    match finished {
        Finished::Changed(change) => Some(change),
        Finished::Noted | Finished::Stale => None,
    }
}

/// Runs two at once, and gives what they gave.
fn both<T: 'static>(
    one: impl FnOnce() -> T + 'static,
    two: impl FnOnce() -> T + 'static,
) -> (T, T) {
    let two = thread::spawn(two);
    let one = one();
    (one, two.join().unwrap())
}

#[test]
fn of_two_that_fail_at_once_one_opens_it() {
    model(|| {
        let policy = Policy::rate(Window::calls(4).at_least(2)).backoff(Backoff::default());
        let switch = Arc::new(Switch::new(&policy, 7));
        let fail = |switch: Arc<Switch>| move || change(switch.finish(&policy, 0, 0, BAD));
        let (one, two) = both(fail(Arc::clone(&switch)), fail(Arc::clone(&switch)));
        // The second to be counted sees both.
        assert!(one.is_some() ^ two.is_some());
        assert_eq!(switch.word().state(), State::Open);
        assert_eq!(switch.word().generation(), 1);
    });
}

#[test]
fn of_two_that_fail_in_a_time_window_one_opens_it() {
    model(|| {
        let window = Window::time(Duration::from_secs(1)).at_least(2);
        let policy = Policy::rate(window);
        let switch = Arc::new(Switch::new(&policy, 7));
        let fail = |switch: Arc<Switch>, now| move || change(switch.finish(&policy, 0, now, BAD));
        let (one, two) = both(fail(Arc::clone(&switch), 0), fail(Arc::clone(&switch), 0));
        assert!(one.is_some() ^ two.is_some());
    });
}

#[test]
fn two_that_fail_in_a_row_are_two() {
    model(|| {
        let policy = Policy::in_a_row(2);
        let switch = Arc::new(Switch::new(&policy, 7));
        let fail = |switch: Arc<Switch>| move || change(switch.finish(&policy, 0, 0, BAD));
        let (one, two) = both(fail(Arc::clone(&switch)), fail(Arc::clone(&switch)));
        assert!(one.is_some() ^ two.is_some());
    });
}

#[test]
fn of_those_who_come_at_the_deadline_no_more_pass_than_there_are_probes() {
    model(|| {
        let policy = policy();
        let switch = open(&policy);
        let come = |switch: Arc<Switch>| {
            move || {
                let first = admit(&switch, &policy, 1_000);
                [first, admit(&switch, &policy, 1_000)]
            }
        };
        let (one, two) = both(come(Arc::clone(&switch)), come(Arc::clone(&switch)));
        let came = [one, two].concat();
        assert_eq!(came.iter().filter(|it| it.0.is_some()).count(), 2);
        assert_eq!(came.iter().filter(|it| it.1.is_some()).count(), 1);
        assert_eq!(switch.word().out(), 2);
    });
}

/// All that were told, each a generation of its own.
fn told(changes: &[Option<Change>]) -> usize {
    let mut generations: Vec<_> = changes.iter().flatten().map(|it| it.generation).collect();
    let told = generations.len();
    generations.sort_unstable();
    generations.dedup();
    assert_eq!(generations.len(), told);
    told
}

#[test]
fn a_probe_that_ends_while_its_lease_does_counts_or_is_too_late() {
    for mark in [GOOD, BAD, Mark::Nothing] {
        model(move || {
            let policy = policy().probes(Probes::calls(1).lease(Duration::from_secs(1)));
            let switch = open(&policy);
            let probe = admit(&switch, &policy, 1_000).0.unwrap();
            let (ends, comes) = (Arc::clone(&switch), Arc::clone(&switch));
            let come = thread::spawn(move || admit(&comes, &policy, 2_000));
            let ended = ends.finish(&policy, probe, 2_000, mark);
            let (again, begun) = come.join().unwrap();
            assert!(told(&[change(ended), begun]) <= 1);
            let word = switch.word();
            match (ended, word.state()) {
                (Finished::Stale, State::HalfOpen) => {
                    assert_eq!((begun.is_some(), word.out()), (true, 1));
                }
                (Finished::Noted, State::HalfOpen) => {
                    assert_eq!((again, word.out()), (Some(probe), 1));
                }
                (Finished::Changed(_), State::Closed) => {
                    assert!(again.is_none() || again == Some(word.generation()));
                }
                (Finished::Changed(_), State::Open) => assert!(again.is_none()),
                other => panic!("{other:?}"),
            }
        });
    }
}

#[test]
fn two_that_give_their_probes_back_leave_room_for_two() {
    model(|| {
        let policy = policy();
        let switch = open(&policy);
        let probes = [(); 2].map(|()| admit(&switch, &policy, 1_000).0.unwrap());
        let back = |switch: Arc<Switch>, probe| {
            move || switch.finish(&policy, probe, 1_000, Mark::Nothing)
        };
        let [first, second] = probes;
        both(
            back(Arc::clone(&switch), first),
            back(Arc::clone(&switch), second),
        );
        assert_eq!(switch.word().probes(), 0);
        let again = [(); 3].map(|()| admit(&switch, &policy, 1_000).0);
        assert_eq!(again, [Some(first), Some(first), None]);
    });
}

#[test]
fn of_two_probes_that_decide_at_once_each_counts_once() {
    for (marks, state) in [([GOOD, GOOD], State::Closed), ([GOOD, BAD], State::Open)] {
        model(move || {
            let policy = policy();
            let switch = open(&policy);
            let probes = [(); 2].map(|()| admit(&switch, &policy, 1_000).0.unwrap());
            let end = |switch: Arc<Switch>, n: usize| {
                move || change(switch.finish(&policy, probes[n], 1_000, marks[n]))
            };
            let (one, two) = both(end(Arc::clone(&switch), 0), end(Arc::clone(&switch), 1));
            assert_eq!(told(&[one, two]), 1);
            assert_eq!(switch.word().state(), state);
        });
    }
}

#[test]
fn forced_while_it_opens_it_is_forced() {
    model(|| {
        let policy = policy();
        let switch = Arc::new(Switch::new(&policy, 7));
        let (fails, forces) = (Arc::clone(&switch), Arc::clone(&switch));
        let (opened, forced) = both(
            move || change(fails.finish(&policy, 0, 0, BAD)),
            move || forces.force(State::ForcedOpen),
        );
        assert!(forced.is_some());
        let told = told(&[opened, forced]);
        assert_eq!(switch.word().generation() as usize, told);
        assert_eq!(switch.word().state(), State::ForcedOpen);
        assert!(admit(&switch, &policy, u64::MAX / 4).0.is_none());
    });
}

#[test]
fn whoever_is_late_leaves_nothing_in_a_window_that_began_since() {
    let span = Duration::from_secs(1);
    for window in [Window::calls(4), Window::time(span)] {
        model(move || {
            let policy = Policy::rate(window.at_least(2)).or_in_a_row(2);
            let switch = Arc::new(Switch::new(&policy, 7));
            let (late, forces) = (Arc::clone(&switch), Arc::clone(&switch));
            let (_, closed) = both(
                move || change(late.finish(&policy, 0, 0, BAD)),
                move || {
                    forces.force(State::ForcedClosed);
                    forces.force(State::Closed)
                },
            );
            let generation = closed.unwrap().generation;
            // Were anything left, one more would open it.
            let fail = || change(switch.finish(&policy, generation, 0, BAD));
            assert!(fail().is_none());
            assert!(fail().is_some());
        });
    }
}

#[test]
fn a_row_that_is_ended_while_it_grows_is_never_longer_than_it_was() {
    model(|| {
        let policy = Policy::in_a_row(3);
        let switch = Arc::new(Switch::new(&policy, 7));
        let end = |switch: Arc<Switch>, mark| move || change(switch.finish(&policy, 0, 0, mark));
        let _ = end(Arc::clone(&switch), BAD)();
        let ended = both(
            end(Arc::clone(&switch), BAD),
            end(Arc::clone(&switch), GOOD),
        );
        assert_eq!(ended, (None, None));
        // Of two, or of none.
        let first = end(Arc::clone(&switch), BAD)();
        let second = end(Arc::clone(&switch), BAD)();
        assert!(first.is_none());
        let _third = second.or_else(end(Arc::clone(&switch), BAD)).unwrap();
    });
}
