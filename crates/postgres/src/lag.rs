//! How far behind a replica is, without asking its clock.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::lsn::{Lsn, Position};

/// More than three minutes of a busy primary, when it is asked five times a second.
const KEPT: usize = 1_024;

/// Where the primary was, and when.
///
/// What a replica lacks was written after the primary passed the place where the replica is;
/// so old is what the replica shows, however idle either is and whatever their clocks say.
#[derive(Debug, Default)]
pub(crate) struct History {
    timeline: u32,
    /// Places and when the primary was first seen there; both grow. An idle primary adds none.
    samples: VecDeque<(Lsn, Instant)>,
}

impl History {
    /// The primary was at `position`. Another timeline than before begins a new history.
    pub(crate) fn saw(&mut self, position: Position, now: Instant) {
        if position.timeline != self.timeline {
            self.timeline = position.timeline;
            self.samples.clear();
        }
        // A crash takes back what was not yet on disk; no replica has seen that.
        self.samples.truncate(self.passed(position.lsn));
        let newest = self.samples.back();
        if newest.is_some_and(|(lsn, _)| *lsn == position.lsn) {
            return;
        }
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back((position.lsn, now));
    }

    /// How long ago the primary was first seen past `replay`: zero for a replica that has all
    /// that the primary had when it was last seen. May be short by the time between two looks
    /// at the primary.
    ///
    /// `None` when that was before the history begins, or on another timeline.
    pub(crate) fn lag(&self, replay: Position, now: Instant) -> Option<Duration> {
        let (oldest, _) = self.samples.front()?;
        if replay.timeline != self.timeline || replay.lsn < *oldest {
            return None;
        }
        let passed = self.samples.get(self.passed(replay.lsn));
        Some(passed.map_or(Duration::ZERO, |(_, at)| now.saturating_duration_since(*at)))
    }

    /// Which sample is the first past `lsn`.
    fn passed(&self, lsn: Lsn) -> usize {
        self.samples.partition_point(|(seen, _)| *seen <= lsn)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::{History, KEPT};
    use crate::lsn::{Lsn, Position};

    const STEP: Duration = Duration::from_millis(200);

    fn at(lsn: u64) -> Position {
        Position::new(1, Lsn(lsn))
    }

    /// The primary was at each of `places`, one every [`STEP`].
    fn history(places: impl IntoIterator<Item = u64>) -> (History, Instant) {
        let mut history = History::default();
        let mut now = Instant::now();
        for lsn in places {
            now += STEP;
            history.saw(at(lsn), now);
        }
        (history, now)
    }

    /// PgDog#1122: its subtraction the wrong way round, a replica behind had no lag.
    #[test]
    fn a_replica_behind_lags_and_one_ahead_does_not() {
        let (history, now) = history([100, 200, 300]);
        assert_eq!(history.lag(at(250), now), Some(Duration::ZERO));
        assert_eq!(history.lag(at(150), now), Some(STEP));
        assert_eq!(history.lag(at(100), now), Some(STEP));
        assert_eq!(history.lag(at(150), now + 5 * STEP), Some(6 * STEP));
        assert_eq!(history.lag(at(300), now + 5 * STEP), Some(Duration::ZERO));
        assert_eq!(history.lag(at(999), now + 5 * STEP), Some(Duration::ZERO));
    }

    #[test]
    fn an_idle_primary_makes_no_lag_and_its_first_write_a_small_one() {
        let (mut history, mut now) = history([100]);
        for _ in 0..10 * KEPT {
            now += STEP;
            history.saw(at(100), now);
        }
        assert_eq!(history.lag(at(100), now), Some(Duration::ZERO));
        assert_eq!(history.samples.len(), 1);
        now += STEP;
        history.saw(at(101), now);
        assert_eq!(history.lag(at(100), now + STEP), Some(STEP));
    }

    #[test]
    fn what_was_before_the_history_is_not_known() {
        let (mut history, now) = history([100, 200]);
        assert_eq!(history.lag(at(99), now), None);
        assert_eq!(History::default().lag(at(0), now), None);
        for lsn in 0..KEPT {
            history.saw(at(1_000 + u64::try_from(lsn).unwrap()), now);
        }
        assert_eq!(history.samples.len(), KEPT);
        assert_eq!(history.lag(at(999), now), None);
        assert!(history.lag(at(1_000), now).is_some());
    }

    #[test]
    fn a_new_timeline_begins_a_new_history() {
        let (mut history, now) = history([100, 200, 300]);
        let promoted = Position::new(2, Lsn(250));
        history.saw(promoted, now);
        assert_eq!(history.lag(promoted, now), Some(Duration::ZERO));
        assert_eq!(history.lag(at(300), now), None);
        assert_eq!(history.lag(Position::new(2, Lsn(249)), now), None);
    }

    #[test]
    fn what_a_crash_took_back_makes_no_lag() {
        let (mut history, now) = history([100, 200, 300]);
        history.saw(at(150), now + STEP);
        assert_eq!(history.lag(at(150), now + 2 * STEP), Some(Duration::ZERO));
        assert_eq!(history.lag(at(120), now + 2 * STEP), Some(STEP));
    }

    proptest! {
        /// Against the definition, word for word.
        #[test]
        fn it_is_the_time_since_the_primary_was_first_seen_past_the_replica(
            steps in vec(0..5_u64, 1..100),
            replay in 0..300_u64,
            wait in 0..10_u32,
        ) {
            let places: Vec<u64> = steps.iter().scan(10, |lsn, step| {
                *lsn += step;
                Some(*lsn)
            }).collect();
            let (history, last) = history(places.iter().copied());
            let now = last + STEP * wait;
            let first_past = places.iter().position(|lsn| *lsn > replay);
            let expected = match first_past {
                Some(0) => None,
                Some(n) => Some(STEP * u32::try_from(places.len() - 1 - n).unwrap() + STEP * wait),
                None => Some(Duration::ZERO),
            };
            prop_assert_eq!(history.lag(at(replay), now), expected);
        }

        #[test]
        fn it_falls_as_the_replica_goes_on_and_rises_with_time(
            steps in vec(0..5_u64, 1..100),
            a in 0..300_u64,
            b in 0..300_u64,
            wait in 0..10_u32,
        ) {
            let places = steps.iter().scan(10, |lsn, step| {
                *lsn += step;
                Some(*lsn)
            });
            let (history, now) = history(places);
            // What is not known is more than all that is.
            let lag = |lsn, now| history.lag(at(lsn), now).unwrap_or(Duration::MAX);
            prop_assert!(lag(a.max(b), now) <= lag(a.min(b), now));
            prop_assert!(lag(a, now) <= lag(a, now + STEP * wait));
        }
    }
}
