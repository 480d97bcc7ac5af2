use std::time::Duration;

/// How long a circuit stays open: twice as long each time that it opens again, up to a limit.
///
/// ```
/// use std::time::Duration;
///
/// use towerblock_breaker::Backoff;
///
/// // 2, 4, 8, 16, 30, 30 … seconds, each up to a tenth shorter.
/// let backoff = Backoff::from(Duration::from_secs(2))
///     .at_most(Duration::from_secs(30))
///     .jitter_percent(10);
/// # let _ = backoff;
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Backoff {
    first: u64,
    most: u64,
    jitter_percent: u8,
    decay: u64,
}

/// Longer than any wait that makes sense.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Backoff {
    /// The first time, from 1 millisecond to a day. Default: 5 seconds.
    pub fn from(first: Duration) -> Self {
        Self {
            first: millis(first),
            ..Self::default()
        }
    }

    /// The longest time, which also bounds what a dependency asks for itself
    /// ([`Verdict::Overload`](crate::Verdict::Overload)); at least the first, at most a day.
    /// Default: 60 seconds.
    pub fn at_most(mut self, most: Duration) -> Self {
        self.most = millis(most);
        self
    }

    /// Takes up to so many percent off, so that instances do not come back in step; at most
    /// 100. Default: 20.
    pub const fn jitter_percent(mut self, percent: u8) -> Self {
        self.jitter_percent = if percent > 100 { 100 } else { percent };
        self
    }

    /// Forgets one opening for each such time that the circuit was closed, from 1 millisecond
    /// to a day. Default: 60 seconds.
    pub fn decay_every(mut self, healthy: Duration) -> Self {
        self.decay = millis(healthy);
        self
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn most(&self) -> u64 {
        self.most.max(self.first)
    }

    /// What is left of a level after it was closed for so long.
    pub(crate) fn decayed(&self, level: u8, closed: u64) -> u8 {
        level.saturating_sub(u8::try_from(closed / self.decay).unwrap_or(u8::MAX))
    }

    /// How long to stay open at that level, the first of which is 1.
    pub(crate) fn wait(&self, level: u8, random: u64) -> u64 {
        let doublings = u32::from(level).saturating_sub(1).min(32);
        let whole = (self.first << doublings).min(self.most());
        // Less than a day in milliseconds, a hundred times: far from overflow.
        let off = whole * u64::from(self.jitter_percent) / 100;
        (whole - random % (off + 1)).max(1)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: 5_000,
            most: 60_000,
            jitter_percent: 20,
            decay: 60_000,
        }
    }
}

fn millis(wait: Duration) -> u64 {
    let millis = wait.min(DAY).as_millis();
    u64::try_from(millis).unwrap_or(u64::MAX).max(1)
}
