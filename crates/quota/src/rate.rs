use std::num::{NonZeroU16, NonZeroU64};
use std::time::Duration;

use crate::gcra::Gcra;
use crate::state::{Judged, State};
use crate::window::Window;

/// How much is allowed in how long.
///
/// ```
/// use std::num::{NonZeroU16, NonZeroU64};
/// use std::time::Duration;
/// use towerblock_quota::Rate;
///
/// let (hundred, many) = (NonZeroU16::new(100).unwrap(), NonZeroU64::new(20_000).unwrap());
/// let smooth = Rate::new(many, Duration::from_secs(1)).burst(NonZeroU64::new(500).unwrap());
/// let strict = Rate::strict(hundred, Duration::from_secs(60));
/// assert_eq!((smooth.limit(), strict.limit()), (500, 100));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    units: NonZeroU64,
    per: Duration,
    algorithm: Algorithm,
}

/// A rate as the script of a fleet reads it.
#[cfg(feature = "redis")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Wire {
    /// 0 steady, in nanoseconds; 1 steady, in milliseconds; 2 strict.
    pub(crate) kind: u64,
    /// The time of one unit, or of a slice in microseconds.
    pub(crate) each: u64,
    /// The time of all units, or their number.
    pub(crate) most: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Algorithm {
    Gcra(Gcra),
    Window(Window),
}

/// `Duration` from 1 ns to a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl Rate {
    /// So many units in any such time, steadily: what was used comes back unit by unit. In any
    /// interval `t` no more than burst + units · t ÷ per is admitted (GCRA, ITU-T I.371).
    ///
    /// The burst is `units` unless [set](Self::burst). `per` is from 1 ns to 100 years; the time of one
    /// unit is rounded up to whole nanoseconds, from a second on to whole milliseconds. What lies outside is
    /// taken for its nearest end.
    #[must_use]
    pub fn new(units: NonZeroU64, per: Duration) -> Self {
        let per = per.clamp(Duration::from_nanos(1), LONGEST);
        let algorithm = Algorithm::Gcra(Gcra::new(units, per, units));
        Self {
            units,
            per,
            algorithm,
        }
    }

    /// So many units per second; see [`new`](Self::new).
    #[must_use]
    pub fn per_second(units: NonZeroU64) -> Self {
        Self::new(units, Duration::from_secs(1))
    }

    /// Never more than `limit` units in any window of this length, which is from 1 ns to 100 years.
    ///
    /// Use is counted by fourths of the window, and a fourth is forgotten as a whole: whoever
    /// always asks gets at least four fifths of the limit.
    #[must_use]
    pub fn strict(limit: NonZeroU16, window: Duration) -> Self {
        let per = window.clamp(Duration::from_nanos(1), LONGEST);
        Self {
            units: limit.into(),
            per,
            algorithm: Algorithm::Window(Window::new(limit, per)),
        }
    }

    /// How much of a steady rate may be used at once; what takes longer than 146 years to come
    /// back is cut. It changes nothing of a [strict](Self::strict) one. Default: the units.
    #[must_use]
    pub fn burst(mut self, burst: NonZeroU64) -> Self {
        if let Algorithm::Gcra(_) = self.algorithm {
            self.algorithm = Algorithm::Gcra(Gcra::new(self.units, self.per, burst));
        }
        self
    }

    /// How much may be used at once; one request that asks for more is never admitted.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        match self.algorithm {
            Algorithm::Gcra(gcra) => gcra.burst(),
            Algorithm::Window(window) => window.limit(),
        }
    }

    /// How long it takes until all that was used at once is back.
    #[must_use]
    pub fn window(&self) -> Duration {
        match self.algorithm {
            Algorithm::Gcra(gcra) => gcra.refill(),
            Algorithm::Window(_) => self.per,
        }
    }

    #[inline(always)]
    pub(crate) fn judge(&self, state: &State, now: u64, cost: u64) -> Judged {
        if cost > self.limit() {
            return Judged::Never;
        }
        if let Some(wait) = state.blocked(now) {
            return match cost {
                0 => Judged::Room {
                    remaining: 0,
                    reset: wait,
                },
                _ => Judged::Blocked { wait },
            };
        }
        match &self.algorithm {
            Algorithm::Gcra(gcra) => gcra.judge(state, now, cost),
            Algorithm::Window(window) => window.judge(state, now, cost),
        }
    }

    /// For a cost that was judged to fit.
    #[inline]
    pub(crate) fn charge(&self, state: &mut State, now: u64, cost: u64) {
        match &self.algorithm {
            _ if cost == 0 => {}
            Algorithm::Gcra(gcra) => gcra.charge(state, now, cost),
            Algorithm::Window(window) => window.charge(state, now, cost),
        }
    }

    /// At least so many units were used.
    pub(crate) fn note(&self, state: &mut State, now: u64, used: u64) {
        match &self.algorithm {
            Algorithm::Gcra(gcra) => gcra.note(state, now, used),
            Algorithm::Window(window) => window.note(state, now, used),
        }
    }

    /// Admits nothing for so many nanoseconds, and says after how many there is room, which
    /// without that would be after `wait`.
    pub(crate) fn block(&self, state: &mut State, now: u64, penalty: u64, wait: u64) -> u64 {
        let block = state.block(now, penalty);
        match &self.algorithm {
            Algorithm::Window(window) if window.outlast(state, block) => block,
            _ => block.max(wait),
        }
    }
}

#[cfg(feature = "redis")]
impl Rate {
    pub(crate) const fn wire(&self) -> Wire {
        match &self.algorithm {
            Algorithm::Gcra(gcra) => gcra.wire(),
            Algorithm::Window(window) => window.wire(),
        }
    }

    /// How much comes back in that time, and at most its burst. Of a strict rate nobody knows.
    pub(crate) fn brings(&self, time: Duration) -> u64 {
        match &self.algorithm {
            Algorithm::Gcra(gcra) => gcra.brings(time),
            Algorithm::Window(_) => 0,
        }
    }
}
