//! How fast slots come back while somebody waits.

use std::time::Duration;

use tokio::time::Instant;

/// The mean time between two slots given back, over the last few turns.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    mean: Duration,
    samples: u32,
    /// The last slot given back, or when somebody began to wait.
    since: Option<Instant>,
}

impl Pace {
    /// Somebody waits now, and nobody did before.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// A slot came back while somebody waits. `slots` that are taken together come back
    /// together, so a mean over fewer than these would tell of the burst alone.
    pub(crate) fn gave_back(&mut self, slots: usize, now: Instant) {
        let Some(since) = self.since.replace(now) else {
            return;
        };
        let window = u32::try_from(slots).unwrap_or(u32::MAX).clamp(4, 1_024) * 4;
        let took = now.saturating_duration_since(since);
        self.samples = (self.samples + 1).min(window);
        // mean += (took - mean) / samples, in parts that are not negative
        self.mean = self.mean - self.mean / self.samples + took / self.samples;
    }

    /// Nobody waits any more: what comes back now says nothing about a wait.
    pub(crate) fn end(&mut self) {
        self.since = None;
    }

    /// How long one slot takes to come back, if that was seen. When none of those out came
    /// back for longer than all of them usually take, they are that late.
    pub(crate) fn interval(&self, out: usize, now: Instant) -> Option<Duration> {
        let silence = self
            .since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let out = u32::try_from(out).unwrap_or(u32::MAX).max(1);
        (self.samples > 0).then(|| self.mean.max(silence / out))
    }
}
