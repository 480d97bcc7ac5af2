use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row eject a server.
const FAILURES: u32 = 3;
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// Within this time a server that comes back has its whole weight again.
const RETURN: Duration = Duration::from_secs(10);
const LEAST_WEIGHT: f64 = 0.1;

/// Whether a server may be used, and how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Health {
    /// From a tenth, for one that has just come back, to one.
    Fit { weight: f64 },
    /// For a while, as its callers had failures, or as it was dead shortly before.
    Ejected { until: Instant },
    /// The monitor says so, for as long as it says so.
    Dead,
}

impl Health {
    /// The weight of a server that is used although it is ejected.
    pub(crate) const PARDONED: f64 = LEAST_WEIGHT;
}

/// Keeps a server that fails out of use, longer each time that it comes back and fails.
#[derive(Debug, Default)]
pub(crate) struct Ejection {
    failures: u32,
    dead: bool,
    /// How often it was ejected without having its whole weight between.
    times: u32,
    /// When the last ejection ends or ended.
    until: Option<Instant>,
}

impl Ejection {
    pub(super) fn answered(&mut self) {
        self.failures = 0;
    }

    /// Whether this ejects it.
    pub(super) fn failed(&mut self, random: u64, now: Instant) -> bool {
        // What began before the ejection fails during it: no reason for another.
        if self.dead || self.until.is_some_and(|until| now < until) {
            return false;
        }
        self.failures += 1;
        let ejects = self.failures >= FAILURES;
        if ejects {
            self.eject(random, now);
        }
        ejects
    }

    /// Whether it was alive.
    pub(super) fn died(&mut self, random: u64, now: Instant) -> bool {
        let is_news = !self.dead;
        if is_news {
            self.eject(random, now);
            self.dead = true;
        }
        is_news
    }

    /// Whether it was dead.
    pub(super) fn lives(&mut self, now: Instant) -> bool {
        let was_dead = std::mem::take(&mut self.dead);
        if was_dead {
            self.until = self.until.max(Some(now));
        }
        was_dead
    }

    pub(super) fn at(&self, now: Instant) -> Health {
        match self.until {
            _ if self.dead => Health::Dead,
            None => Health::Fit { weight: 1.0 },
            Some(until) if now < until => Health::Ejected { until },
            Some(until) => {
                let back = (now - until).div_duration_f64(RETURN).min(1.0);
                let weight = LEAST_WEIGHT + (1.0 - LEAST_WEIGHT) * back;
                Health::Fit { weight }
            }
        }
    }

    fn eject(&mut self, random: u64, now: Instant) {
        let has_returned = self.until.is_none_or(|until| now >= until + RETURN);
        self.times = if has_returned { 0 } else { self.times + 1 };
        self.failures = 0;
        // What had to be waited for still counts, when it dies while it is out.
        let until = now
            + spread(
                LONGEST.min(SHORTEST * 2_u32.saturating_pow(self.times.min(8))),
                random,
            );
        self.until = self.until.max(Some(until));
    }
}

/// From three to five quarters, so that instances do not come back as one.
fn spread(time: Duration, random: u64) -> Duration {
    let share = (random >> 32) as f64 / f64::from(u32::MAX);
    time.mul_f64(0.75 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Ejection, Health, LONGEST, RETURN, SHORTEST, spread};

    /// No jitter.
    const MIDDLE: u64 = u64::MAX / 2;

    fn eject(ejection: &mut Ejection, now: Instant) -> Duration {
        assert!(!ejection.failed(MIDDLE, now) && !ejection.failed(MIDDLE, now));
        assert!(ejection.failed(MIDDLE, now));
        match ejection.at(now) {
            Health::Ejected { until } => until - now,
            other => panic!("{other:?}"),
        }
    }

    fn weight(ejection: &Ejection, now: Instant) -> Option<f64> {
        match ejection.at(now) {
            Health::Fit { weight } => Some(weight),
            Health::Ejected { .. } | Health::Dead => None,
        }
    }

    fn near(a: Duration, b: Duration) -> bool {
        a.abs_diff(b) < Duration::from_millis(1)
    }

    #[test]
    fn three_failures_in_a_row_eject_and_later_ones_change_nothing() {
        let (mut ejection, now) = (Ejection::default(), Instant::now());
        assert_eq!(weight(&ejection, now), Some(1.0));
        assert!(near(eject(&mut ejection, now), SHORTEST));
        let out = ejection.at(now);
        for _ in 0..9 {
            assert!(!ejection.failed(MIDDLE, now));
        }
        assert_eq!(ejection.at(now), out);
    }

    #[test]
    fn each_time_it_stays_out_twice_as_long_until_it_has_returned() {
        let (mut ejection, mut now) = (Ejection::default(), Instant::now());
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30] {
            let out = eject(&mut ejection, now);
            assert!(near(out, Duration::from_secs(seconds)), "{out:?}");
            now += out;
        }
        now += RETURN;
        assert!(near(eject(&mut ejection, now), SHORTEST));
        assert!(LONGEST > SHORTEST);
    }

    #[test]
    fn it_comes_back_slowly() {
        let (mut ejection, now) = (Ejection::default(), Instant::now());
        let back = now + eject(&mut ejection, now);
        let weights = [0, 5, 10, 99].map(|s| weight(&ejection, back + Duration::from_secs(s)));
        assert_eq!(weights, [0.1, 0.55, 1.0, 1.0].map(Some));
        assert_eq!(weight(&ejection, back - Duration::from_millis(1)), None);
    }

    #[test]
    fn the_dead_stay_out_until_they_live_and_come_back_slowly_too() {
        let (mut ejection, now) = (Ejection::default(), Instant::now());
        assert!(ejection.died(MIDDLE, now) && !ejection.died(MIDDLE, now));
        let later = now + Duration::from_secs(999);
        assert_eq!(ejection.at(later), Health::Dead);
        assert!((0..9).all(|_| !ejection.failed(MIDDLE, later)));
        assert!(ejection.lives(later) && !ejection.lives(later));
        assert_eq!(weight(&ejection, later), Some(0.1));
        assert_eq!(weight(&ejection, later + RETURN), Some(1.0));
    }

    #[test]
    fn one_that_flaps_stays_out_as_one_that_fails_does() {
        let (mut ejection, now) = (Ejection::default(), Instant::now());
        for seconds in [1, 2, 4] {
            ejection.died(MIDDLE, now);
            ejection.lives(now);
            let Health::Ejected { until } = ejection.at(now) else {
                panic!("{ejection:?}")
            };
            assert!(near(until - now, Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn the_time_is_spread_by_a_quarter_each_way() {
        assert_eq!(spread(4 * SHORTEST, 0), 3 * SHORTEST);
        assert_eq!(spread(4 * SHORTEST, u64::MAX), 5 * SHORTEST);
    }
}
