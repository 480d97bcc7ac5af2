use std::num::NonZeroU64;
use std::time::Duration;

use crate::state::{Judged, Shape, State};

/// A steady rate. What was used is a time: when all of it will be back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Gcra {
    shape: Shape,
    /// In ticks, as all times here.
    interval: u64,
    burst: u64,
    /// The interval times the burst.
    tolerance: u64,
}

const SECOND: u128 = 1_000_000_000;
/// A sum of two times, and of `now`, overflows nothing.
const LONGEST: u64 = u64::MAX / 4;

impl Gcra {
    pub(crate) fn new(units: NonZeroU64, per: Duration, burst: NonZeroU64) -> Self {
        let nanos = per.as_nanos().div_ceil(u128::from(units.get())).max(1);
        // From a second on a millisecond is a thousandth, and bursts of years must fit.
        let shape = if nanos < SECOND {
            Shape::FINE
        } else {
            Shape::COARSE
        };
        let ticks = nanos.div_ceil(u128::from(shape.tick()));
        let interval = u64::try_from(ticks).map_or(LONGEST, |ticks| ticks.min(LONGEST));
        let burst = burst.get().min(LONGEST / interval);
        Self {
            shape,
            interval,
            burst,
            tolerance: interval.saturating_mul(burst),
        }
    }

    pub(crate) const fn burst(&self) -> u64 {
        self.burst
    }

    pub(crate) fn refill(&self) -> Duration {
        match self.shape {
            Shape::COARSE => Duration::from_millis(self.tolerance),
            _ => Duration::from_nanos(self.tolerance),
        }
    }

    #[inline(always)]
    pub(crate) fn judge(&self, state: &State, now: u64, cost: u64) -> Judged {
        let ticks = self.shape.ticks(now);
        let full = self.full_at(state, now);
        let latest = ticks.saturating_add(self.tolerance);
        // Fits: it was compared with the burst.
        let after = full.saturating_add(cost.saturating_mul(self.interval));
        if after > latest && cost > 0 {
            let at = (after - latest + ticks).saturating_mul(self.shape.tick());
            return Judged::Full {
                wait: at.saturating_sub(now),
            };
        }
        Judged::Room {
            remaining: latest.saturating_sub(after) / self.interval,
            reset: after.saturating_mul(self.shape.tick()).saturating_sub(now),
        }
    }

    #[inline]
    pub(crate) fn charge(&self, state: &mut State, now: u64, cost: u64) {
        let full = self.full_at(state, now);
        state.mark = full.saturating_add(cost.saturating_mul(self.interval));
        state.word = self.interval;
        state.oldest = 0;
        state.shape = self.shape;
    }

    pub(crate) fn note(&self, state: &mut State, now: u64, used: u64) {
        let debt = used.saturating_mul(self.interval).min(self.tolerance);
        let at_least = self.shape.ticks(now).saturating_add(debt);
        let full = self.full_at(state, now).max(at_least);
        self.charge(state, now, 0);
        state.mark = full;
    }

    /// When all is back. Under another rate than the one it was used by, what is kept is how
    /// many units were used, not how long they take: a better plan gives no burst for nothing.
    #[inline(always)]
    fn full_at(&self, state: &State, now: u64) -> u64 {
        let ticks = self.shape.ticks(now);
        if state.shape == self.shape && state.word == self.interval {
            return state.mark.max(ticks);
        }
        if state.forgotten(now) {
            return ticks;
        }
        self.rescaled(state, now)
    }

    #[cold]
    fn rescaled(&self, state: &State, now: u64) -> u64 {
        let (used, each) = state.used(now);
        let debt = (u128::from(used) * u128::from(self.interval)).div_ceil(u128::from(each));
        let debt = u64::try_from(debt).map_or(LONGEST, |debt| debt.min(LONGEST));
        self.shape.ticks(now).saturating_add(debt)
    }
}

#[cfg(feature = "redis")]
impl Gcra {
    pub(crate) const fn wire(&self) -> crate::rate::Wire {
        crate::rate::Wire {
            kind: match self.shape {
                Shape::COARSE => 1,
                _ => 0,
            },
            each: self.interval,
            most: self.tolerance,
        }
    }

    pub(crate) fn brings(&self, time: Duration) -> u64 {
        let ticks = time.as_nanos() / u128::from(self.shape.tick());
        let units = ticks / u128::from(self.interval);
        u64::try_from(units).map_or(self.burst, |units| units.min(self.burst))
    }
}
