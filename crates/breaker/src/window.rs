use std::time::Duration;

use crate::buckets::Buckets;
use crate::ring::Ring;

/// Which calls are looked at, and how many of them may be bad.
///
/// ```
/// use std::time::Duration;
///
/// use towerblock_breaker::Window;
///
/// // Half of the last 100 calls, once there were 20. The default.
/// let calls = Window::calls(100).at_least(20).failure_percent(50);
/// assert_eq!(calls, Window::default());
/// // Of the calls of the last 10 seconds, a fifth.
/// let time = Window::time(Duration::from_secs(10)).failure_percent(20);
/// # assert_ne!(calls, time);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Window {
    extent: Extent,
    at_least: u32,
    failure_percent: u8,
    slow_percent: u8,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Extent {
    Calls(u16),
    Time(u64),
}

impl Window {
    /// The last so many calls, from 1 to 1,024. It reads no clock.
    pub const fn calls(count: u16) -> Self {
        Self::of(Extent::Calls(match count {
            0 => 1,
            1..=1_024 => count,
            _ => 1_024,
        }))
    }

    /// The calls of the last so much time, from 10 milliseconds to a day, to a tenth of it.
    pub const fn time(span: Duration) -> Self {
        const DAY: u128 = 24 * 60 * 60 * 1_000;
        Self::of(Extent::Time(match span.as_millis() {
            0..10 => 10,
            span @ 10..DAY => span as u64,
            _ => DAY as u64,
        }))
    }

    const fn of(extent: Extent) -> Self {
        Self {
            extent,
            at_least: 20,
            failure_percent: 50,
            slow_percent: 50,
        }
    }

    /// Judges nothing before there were so many calls in the window; at most as many as it
    /// holds. Default: 20.
    pub const fn at_least(mut self, calls: u32) -> Self {
        self.at_least = calls;
        self
    }

    /// Opens when so many percent of the calls have failed, from 1 to 100. Default: 50.
    pub const fn failure_percent(mut self, percent: u8) -> Self {
        self.failure_percent = percent_of(percent);
        self
    }

    /// Opens when so many percent of the calls were slow, from 1 to 100; see
    /// [`Policy::slow_over`](crate::Policy::slow_over). Default: 50.
    pub const fn slow_percent(mut self, percent: u8) -> Self {
        self.slow_percent = percent_of(percent);
        self
    }

    pub(crate) const fn reads_clock(&self) -> bool {
        matches!(self.extent, Extent::Time(_))
    }

    pub(crate) fn samples(&self, slow: bool) -> Samples {
        match self.extent {
            Extent::Calls(size) => Samples::Calls(Ring::new(size, slow)),
            Extent::Time(span) => Samples::Time(Buckets::new(span, slow)),
        }
    }

    /// Whether these calls are too bad.
    pub(crate) fn is_passed_by(&self, tally: Tally) -> bool {
        let at_least = match self.extent {
            Extent::Calls(size) => self.at_least.min(size.into()),
            Extent::Time(_) => self.at_least,
        };
        let reach = |count: u32, percent: u8| {
            count > 0 && u64::from(count) * 100 >= u64::from(tally.calls) * u64::from(percent)
        };
        tally.calls >= at_least
            && (reach(tally.failed, self.failure_percent) || reach(tally.slow, self.slow_percent))
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::calls(100)
    }
}

const fn percent_of(percent: u8) -> u8 {
    match percent {
        0 => 1,
        1..=100 => percent,
        _ => 100,
    }
}

/// The calls that a window shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Tally {
    pub(crate) calls: u32,
    pub(crate) failed: u32,
    pub(crate) slow: u32,
}

/// What a window is filled with. A tag stands for a generation.
#[derive(Debug)]
pub(crate) enum Samples {
    Calls(Ring),
    Time(Buckets),
}

impl Samples {
    #[inline]
    pub(crate) fn record(&self, tag: u64, now: u64, failed: bool, slow: bool) {
        match self {
            Self::Calls(ring) => ring.record(tag, failed, slow),
            Self::Time(buckets) => buckets.record(tag, now, failed, slow),
        }
    }

    pub(crate) fn tally(&self, tag: u64, now: u64) -> Tally {
        match self {
            Self::Calls(ring) => ring.tally(tag),
            Self::Time(buckets) => buckets.tally(tag, now),
        }
    }
}
