use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::Instant;

use super::{Choice, Demand, SILENCE, SLACK, choose};
use crate::lsn::{Lsn, Position};
use crate::standing::{Candidate, Health, Seen};

const BOUND: Duration = Duration::from_secs(2);
const FIT: Health = Health::Fit { weight: 1.0 };
const PRIMARY: Option<Position> = Some(at(1_000));

const fn at(lsn: u64) -> Position {
    Position::new(1, Lsn(lsn))
}

fn replica(now: Instant, lsn: u64) -> Candidate {
    Candidate {
        in_flight: 0,
        latency: Duration::from_millis(1),
        health: FIT,
        seen: Some(Seen {
            at: now,
            in_recovery: true,
            position: at(lsn),
            lag: Some(Duration::ZERO),
        }),
    }
}

fn with(mut candidate: Candidate, change: impl FnOnce(&mut Seen)) -> Candidate {
    candidate.seen.as_mut().map(change);
    candidate
}

fn demand(token: Option<Position>) -> Demand {
    let max_lag = BOUND;
    Demand { max_lag, token }
}

/// What comes out for many numbers, each once.
fn outcomes(candidates: &[Candidate], token: Option<Position>, now: Instant) -> Vec<Choice> {
    let mut outcomes = Vec::new();
    for n in 0..64_u64 {
        let random = (n << 32) | (n * 7 % 5);
        let choice = choose(candidates, PRIMARY, &demand(token), random, now);
        if !outcomes.contains(&choice) {
            outcomes.push(choice);
        }
    }
    outcomes.sort_by_key(|choice| format!("{choice:?}"));
    outcomes
}

#[test]
fn reads_are_spread_over_the_replicas_by_chance() {
    let now = Instant::now();
    let replicas = [replica(now, 1), replica(now, 2), replica(now, 3)];
    let all = [0, 1, 2].map(Choice::Replica);
    assert_eq!(outcomes(&replicas, None, now), all);
}

#[test]
fn of_two_the_faster_the_less_busy_and_the_longer_back_is_taken() {
    let now = Instant::now();
    let plain = replica(now, 1);
    let slow = Candidate {
        latency: plain.latency * 2,
        ..plain
    };
    let busy = Candidate {
        in_flight: 1,
        ..plain
    };
    let back = Candidate {
        health: Health::Fit { weight: 0.5 },
        ..plain
    };
    for worse in [slow, busy, back] {
        assert_eq!(outcomes(&[worse, plain], None, now), [Choice::Replica(1)]);
        assert_eq!(outcomes(&[plain, worse], None, now), [Choice::Replica(0)]);
    }
    let busier = Candidate {
        in_flight: 5,
        ..plain
    };
    assert_eq!(outcomes(&[busier, slow], None, now), [Choice::Replica(1)]);
    // The worst of three is never the better of two.
    assert!(!outcomes(&[plain, busier, slow], None, now).contains(&Choice::Replica(1)));
}

#[test]
fn a_replica_that_lags_or_whose_lag_is_not_known_is_left_alone() {
    let now = Instant::now();
    let good = replica(now, 1);
    let lagging = with(good, |seen| {
        seen.lag = Some(BOUND + Duration::from_nanos(1));
    });
    let unknown = with(good, |seen| seen.lag = None);
    let unseen = Candidate { seen: None, ..good };
    assert_eq!(
        outcomes(&[lagging, unknown, unseen, good], None, now),
        [Choice::Replica(3)]
    );
    assert_eq!(
        outcomes(&[lagging, unknown, unseen], None, now),
        [Choice::Primary]
    );
    let just = with(good, |seen| seen.lag = Some(BOUND));
    assert_eq!(outcomes(&[just], None, now), [Choice::Replica(0)]);
    assert_eq!(outcomes(&[], None, now), [Choice::Primary]);
}

#[test]
fn what_the_monitor_does_not_tell_for_long_counts_as_lag() {
    let now = Instant::now();
    let silent = [replica(now, 1)];
    let last = now + SILENCE + BOUND;
    assert_eq!(outcomes(&silent, None, last), [Choice::Replica(0)]);
    assert_eq!(
        outcomes(&silent, None, last + Duration::from_nanos(1)),
        [Choice::Primary]
    );
}

#[test]
fn what_is_not_in_recovery_is_no_replica() {
    let now = Instant::now();
    let promoted = with(replica(now, 1), |seen| seen.in_recovery = false);
    assert_eq!(outcomes(&[promoted], None, now), [Choice::Primary]);
    assert_eq!(outcomes(&[promoted], Some(at(9)), now), [Choice::Primary]);
}

/// Once one of two replicas had caught up, both were used.
#[test]
fn gitlab_413203_only_the_replica_that_was_compared_is_used() {
    let now = Instant::now();
    let (ahead, behind) = (replica(now, 500), replica(now, 499));
    let token = Some(at(500));
    assert_eq!(outcomes(&[behind, ahead], token, now), [Choice::Replica(1)]);
    assert_eq!(outcomes(&[ahead, behind], token, now), [Choice::Replica(0)]);
    // Even when it is the worst in all else.
    let busy = Candidate {
        in_flight: 99,
        ..ahead
    };
    assert_eq!(
        outcomes(&[behind, behind, busy], token, now),
        [Choice::Replica(2)]
    );
}

#[test]
fn where_none_has_the_write_the_nearest_one_is_waited_for() {
    let now = Instant::now();
    let (near, far) = (replica(now, 499), replica(now, 400));
    let token = Some(at(500));
    assert_eq!(outcomes(&[far, near], token, now), [Choice::WaitFor(1)]);
    let busy = Candidate {
        in_flight: 9,
        ..near
    };
    assert_eq!(
        outcomes(&[busy, far, near], token, now),
        [Choice::WaitFor(2)]
    );
    let lagging = with(near, |seen| seen.lag = Some(2 * BOUND));
    let dead = Candidate {
        health: Health::Dead,
        ..near
    };
    assert_eq!(
        outcomes(&[far, lagging, dead], token, now),
        [Choice::WaitFor(0)]
    );
    assert_eq!(outcomes(&[lagging, dead], token, now), [Choice::Primary]);
}

#[test]
fn a_write_on_another_timeline_is_read_from_the_primary() {
    let now = Instant::now();
    let replicas = [replica(now, 900)];
    for timeline in [0, 2] {
        let token = Some(Position::new(timeline, Lsn(1)));
        assert_eq!(outcomes(&replicas, token, now), [Choice::Primary]);
    }
    // Also when the replica followed, or stayed, where the primary is not.
    let elsewhere = [with(replica(now, 900), |seen| seen.position.timeline = 2)];
    let token = Some(Position::new(2, Lsn(1)));
    assert_eq!(outcomes(&elsewhere, token, now), [Choice::Primary]);
    // Where the primary is not known, the replica's own timeline says it.
    let own = |token| choose(&replicas, None, &demand(Some(token)), 0, now);
    assert_eq!(own(Position::new(2, Lsn(1))), Choice::Primary);
    assert_eq!(own(at(900)), Choice::Replica(0));
    assert_eq!(own(at(901)), Choice::WaitFor(0));
    // It has the bytes, but not those.
    let diverged = [with(replica(now, 900), |seen| seen.position.timeline = 2)];
    assert_eq!(outcomes(&diverged, Some(at(800)), now), [Choice::Primary]);
}

#[test]
fn a_token_far_ahead_of_the_primary_is_ignored() {
    let plausible = |token, primary| {
        let (demand, ignored) = demand(Some(token)).plausible(primary);
        assert_eq!(demand.token.is_none(), ignored);
        !ignored
    };
    assert!(plausible(at(1_000 + SLACK), PRIMARY));
    assert!(!plausible(at(1_001 + SLACK), PRIMARY));
    assert!(!plausible(at(u64::MAX), PRIMARY));
    assert!(plausible(at(0), PRIMARY) && plausible(at(u64::MAX), None));
    // Which is not to be compared, and goes to the primary.
    assert!(plausible(Position::new(2, Lsn(u64::MAX)), PRIMARY));
}

#[test]
fn at_most_half_are_out_for_failures_that_callers_had() {
    let now = Instant::now();
    let fit = replica(now, 1);
    let out = |seconds| Candidate {
        health: Health::Ejected {
            until: now + Duration::from_secs(seconds),
        },
        ..fit
    };
    let dead = Candidate {
        health: Health::Dead,
        ..fit
    };
    let busy = Candidate {
        in_flight: 99,
        ..fit
    };
    // Of two one may be out, and it is; of one none.
    assert_eq!(outcomes(&[out(1), busy], None, now), [Choice::Replica(1)]);
    assert_eq!(outcomes(&[out(1)], None, now), [Choice::Replica(0)]);
    // The first that would be back.
    assert_eq!(outcomes(&[out(2), out(1)], None, now), [Choice::Replica(1)]);
    assert_eq!(outcomes(&[out(1), out(1)], None, now), [Choice::Replica(0)]);
    let two = [1, 2].map(Choice::Replica);
    assert_eq!(outcomes(&[out(3), out(2), out(1)], None, now), two);
    // The dead are out whatever their number, and leave less room for others.
    assert_eq!(outcomes(&[dead, out(1)], None, now), [Choice::Replica(1)]);
    assert_eq!(
        outcomes(&[dead, dead, busy, out(1)], None, now),
        [Choice::Replica(3)]
    );
    assert_eq!(outcomes(&[dead, dead], None, now), [Choice::Primary]);
    // The primary is no replica that would be left.
    let primary = with(fit, |seen| seen.in_recovery = false);
    assert_eq!(
        outcomes(&[primary, out(1)], None, now),
        [Choice::Replica(1)]
    );
}

proptest! {
    #[test]
    fn whoever_is_chosen_is_alive_near_enough_and_has_the_write(
        replicas in vec((0..3_u8, 0..10_u64, 0..4_u64, 1..3_u32, any::<bool>()), 0..8),
        token in proptest::option::of((0..10_u64, 1..3_u32)),
        random in any::<u64>(),
    ) {
        let now = Instant::now();
        let candidates: Vec<_> = replicas.iter().map(|(health, lsn, lag, timeline, in_recovery)| {
            let health = match health {
                0 => FIT,
                1 => Health::Ejected { until: now + BOUND },
                _ => Health::Dead,
            };
            let told = with(replica(now, *lsn), |seen| {
                seen.lag = (*lag < 3).then_some(BOUND * u32::try_from(*lag).unwrap());
                seen.position.timeline = *timeline;
                seen.in_recovery = *in_recovery;
            });
            Candidate { health, ..told }
        }).collect();
        let token = token.map(|(lsn, timeline)| Position::new(timeline, Lsn(lsn)));
        let choice = choose(&candidates, PRIMARY, &demand(token), random, now);
        let good = |candidate: &Candidate| {
            let seen = candidate.seen.unwrap();
            let is_fresh = seen.lag.is_some_and(|lag| lag <= BOUND);
            candidate.health != Health::Dead && seen.in_recovery && is_fresh
        };
        let has = |candidate: &Candidate| {
            token.is_none_or(|token| candidate.seen.unwrap().position.has(token))
        };
        match choice {
            Choice::Replica(index) => {
                prop_assert!(good(&candidates[index]) && has(&candidates[index]));
            }
            Choice::WaitFor(index) => {
                prop_assert!(token.is_some() && good(&candidates[index]));
                prop_assert!(!has(&candidates[index]));
            }
            Choice::Primary => {
                let fit = candidates.iter().filter(|c| c.health == FIT && good(c));
                let foreign = token.is_some_and(|token| token.timeline != 1);
                let would_do = fit.filter(|c| has(c)).count();
                prop_assert!(foreign || would_do == 0, "{would_do} would do");
            }
        }
    }
}
