use std::time::Duration;

use crate::{Backoff, Probes, Window};

/// When a circuit opens, and how it closes again.
///
/// It opens at any of its conditions, and only on a failure or a slow call: a success never
/// opens it.
///
/// ```
/// use std::time::Duration;
///
/// use towerblock_breaker::{Backoff, Policy, Probes, Window};
///
/// let policy = Policy::rate(Window::calls(100).at_least(20).failure_percent(50))
///     .or_in_a_row(5)
///     .slow_over(Duration::from_millis(800))
///     .probes(Probes::calls(3))
///     .backoff(Backoff::from(Duration::from_secs(5)));
/// # let _ = policy;
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Policy {
    window: Option<Window>,
    in_a_row: Option<u32>,
    slow_over: Option<Duration>,
    abandoned_after: Option<Duration>,
    probes: Probes,
    backoff: Backoff,
}

impl Policy {
    /// Opens when too many of the calls in a window were bad.
    pub fn rate(window: Window) -> Self {
        Self {
            window: Some(window),
            in_a_row: None,
            ..Self::in_a_row(1)
        }
    }

    /// Opens at so many failures with no success between them, at least 1.
    pub fn in_a_row(failures: u32) -> Self {
        Self {
            window: None,
            in_a_row: Some(failures.max(1)),
            slow_over: None,
            abandoned_after: None,
            probes: Probes::default(),
            backoff: Backoff::default(),
        }
    }

    /// Opens also when too many of the calls in this window were bad. Default: only at what it
    /// was made with.
    pub const fn or_rate(mut self, window: Window) -> Self {
        self.window = Some(window);
        self
    }

    /// Opens also at so many failures with no success between them, at least 1. Default: only
    /// at what it was made with.
    pub fn or_in_a_row(mut self, failures: u32) -> Self {
        self.in_a_row = Some(failures.max(1));
        self
    }

    /// Takes a call that lasted longer for slow: [`Window::slow_percent`] of them open the
    /// circuit, and a slow probe counts as failed. Each call is then timed. Default: none is
    /// slow.
    pub const fn slow_over(mut self, time: Duration) -> Self {
        self.slow_over = Some(time);
        self
    }

    /// Takes a call that was given up after so long for a failure, for a dependency that hangs
    /// shows itself in no other way to a breaker inside a timeout; one given up earlier tells
    /// nothing. [`Duration::MAX`]: none is a failure. Default: [`slow_over`](Self::slow_over),
    /// or else 1 second.
    pub const fn abandoned_after(mut self, time: Duration) -> Self {
        self.abandoned_after = Some(time);
        self
    }

    /// Decides by these whether to close. Default: [`Probes::calls(3)`](Probes::calls).
    pub const fn probes(mut self, probes: Probes) -> Self {
        self.probes = probes;
        self
    }

    /// Stays open for so long. Default: from 5 to 60 seconds.
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    pub(crate) const fn window(&self) -> Option<&Window> {
        self.window.as_ref()
    }

    pub(crate) fn is_streak(&self, failures: u32) -> bool {
        self.in_a_row.is_some_and(|limit| failures >= limit)
    }

    pub(crate) const fn counts_streaks(&self) -> bool {
        self.in_a_row.is_some()
    }

    pub(crate) const fn times_all(&self) -> bool {
        self.slow_over.is_some()
    }

    pub(crate) fn times_abandoned(&self) -> bool {
        self.patience() < Duration::MAX
    }

    /// Whether a success has to know when it was.
    pub(crate) fn reads_clock(&self) -> bool {
        self.times_all() || self.window.is_some_and(|window| window.reads_clock())
    }

    pub(crate) fn is_slow(&self, time: Duration) -> bool {
        self.slow_over.is_some_and(|limit| time > limit)
    }

    /// Whether a call that was given up after so long has failed.
    pub(crate) fn is_hung(&self, time: Duration) -> bool {
        time >= self.patience()
    }

    fn patience(&self) -> Duration {
        let slow = self.slow_over.unwrap_or(Duration::from_secs(1));
        self.abandoned_after.unwrap_or(slow)
    }

    pub(crate) const fn for_probes(&self) -> &Probes {
        &self.probes
    }

    pub(crate) const fn for_waits(&self) -> &Backoff {
        &self.backoff
    }
}

/// Half of the last 100 calls, once there were 20.
impl Default for Policy {
    fn default() -> Self {
        Self::rate(Window::default())
    }
}
