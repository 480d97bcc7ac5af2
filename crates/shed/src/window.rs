//! What is seen of the requests that end within one window of time.

use std::time::Duration;

use tokio::time::Instant;

/// A mean over fewer says little.
const ENOUGH: u32 = 10;
/// Where there are not so many, a window ends after this.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counters that only grow, of the whole layer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
}

/// The samples of one window.
#[derive(Debug)]
pub(crate) struct Window {
    since: Instant,
    totals: Totals,
    samples: u32,
    given_up: u32,
    sum: Duration,
    in_flight: usize,
}

/// What a window has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// The mean time of those that were answered, in seconds; 0 where there were none.
    pub(crate) mean: f64,
    /// The share of those that were given up late, or failed late.
    pub(crate) given_up: f64,
    /// The most at once.
    pub(crate) in_flight: usize,
    /// Admitted, whether timed or not.
    pub(crate) admitted: u64,
    /// Whether anybody was refused for want of room.
    pub(crate) refused: bool,
    /// The length of the window in seconds.
    pub(crate) span: f64,
}

impl Window {
    pub(crate) const fn new(since: Instant, totals: Totals) -> Self {
        Self {
            since,
            totals,
            samples: 0,
            given_up: 0,
            sum: Duration::ZERO,
            in_flight: 0,
        }
    }

    /// One was answered, beside so many others at its start.
    pub(crate) fn answered(&mut self, took: Duration, in_flight: usize) {
        self.samples += 1;
        self.sum = self.sum.saturating_add(took);
        self.in_flight = self.in_flight.max(in_flight);
    }

    /// One was not, though it was given more time than it should need.
    pub(crate) fn given_up(&mut self, in_flight: usize) {
        self.given_up += 1;
        self.in_flight = self.in_flight.max(in_flight);
    }

    /// What was seen, when it is enough; then the next window begins.
    pub(crate) fn turn(&mut self, least: Duration, now: Instant, totals: Totals) -> Option<Seen> {
        let span = now.saturating_duration_since(self.since);
        let count = self.samples + self.given_up;
        if span < least || count == 0 || (count < ENOUGH && span < PATIENCE) {
            return None;
        }
        let seen = Seen {
            mean: self.sum.as_secs_f64() / f64::from(self.samples.max(1)),
            given_up: f64::from(self.given_up) / f64::from(count),
            in_flight: self.in_flight,
            admitted: totals.admitted.saturating_sub(self.totals.admitted),
            refused: totals.refused > self.totals.refused,
            span: span.as_secs_f64(),
        };
        *self = Self::new(now, totals);
        Some(seen)
    }
}
