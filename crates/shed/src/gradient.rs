//! The policy of the adaptive limit: Gradient2 of Netflix's concurrency-limits, with a baseline
//! that is not raised by a queue of our own making.

use std::time::Duration;

use crate::Adaptive;
use crate::window::Seen;

/// What is usual is the mean over some such time, in seconds.
const USUAL: f64 = 30.0;
/// It is learned anew in some such time where the limit costs throughput, in seconds.
const ANEW: f64 = 3.0;
/// The throughput of late, over some such time, in seconds.
const OF_LATE: f64 = 2.0;
/// What is usual at first is the plain mean of so many windows. In the very first one only the
/// shorter requests have come to their end.
const FIRST: u32 = 10;
/// No more of the usual throughput than this is taken for less.
const LESS: f64 = 0.9;
/// What is learned anew while requests are refused is at most so many times what was usual
/// before: if it is a queue after all, it has an end.
const LEEWAY: f64 = 2.5;
/// When so many are given up late, that is overload, however fast the others are.
const TOO_MANY: f64 = 0.1;

/// The short queue that is always allowed keeps the limit from going below some 4.
const LOWEST: f64 = 5.0;

/// How many requests at once do not make each other slow.
#[derive(Debug)]
pub(crate) struct Gradient {
    settings: Adaptive,
    limit: f64,
    /// The usual time of a request in seconds, once one was seen.
    baseline: Option<f64>,
    /// How many windows it was learned from.
    windows: u32,
    /// What it was before requests were refused, while they are.
    before: Option<f64>,
    /// Requests per second.
    usual_rate: f64,
    rate: f64,
}

impl Gradient {
    pub(crate) fn new(settings: Adaptive) -> Self {
        let mut policy = Self {
            settings,
            limit: 0.0,
            baseline: None,
            windows: 0,
            before: None,
            usual_rate: 0.0,
            rate: 0.0,
        };
        policy.set(settings.start as f64);
        policy
    }

    /// Whole, and at least 1.
    pub(crate) fn limit(&self) -> usize {
        // Within floor and ceiling, which are a `usize` each.
        (self.limit as usize).max(1)
    }

    /// What a request may take before that is overload, once it is known what is usual.
    pub(crate) fn tolerated(&self) -> Option<Duration> {
        let seconds = self.tolerance() * self.baseline?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// How long a window is at least: most that begin in one end in it, or in the next.
    pub(crate) fn window(&self) -> Duration {
        let twice = self.baseline.map_or(0.0, |baseline| 2.0 * baseline);
        let twice = Duration::try_from_secs_f64(twice).unwrap_or_default();
        self.settings.window.max(twice)
    }

    /// Learns from a window, and sets the limit for the next.
    pub(crate) fn update(&mut self, seen: &Seen) {
        self.learn(seen);
        let overload = seen.given_up > TOO_MANY;
        // Nobody has tried how many more it bears, or whether fewer would be faster.
        let untried = (seen.in_flight as f64) < self.limit / 2.0;
        let step = match self.baseline {
            _ if overload => -self.limit / 2.0,
            Some(baseline) if is_time(seen.mean) && !untried && self.windows >= FIRST => {
                let gradient = (self.tolerance() * baseline / seen.mean).clamp(0.5, 1.0);
                // Room for a short queue, by which it is found that there is more to have.
                self.limit * (gradient - 1.0) + self.limit.sqrt()
            }
            _ => return,
        };
        let smoothing = f64::from(self.settings.smoothing_percent) / 100.0;
        self.set(self.limit + smoothing * step);
    }

    fn learn(&mut self, seen: &Seen) {
        // A quiet hour is no reason to take the next second for usual.
        let span = if is_time(seen.span) {
            seen.span.min(1.0)
        } else {
            return;
        };
        let rate = (seen.admitted as f64 / seen.span).min(f64::MAX / 2.0);
        self.rate += (rate - self.rate) * (span / OF_LATE);
        self.usual_rate += (rate - self.usual_rate) * (span / USUAL);
        if !is_time(seen.mean) || seen.given_up > TOO_MANY {
            return;
        }
        let baseline = *self.baseline.get_or_insert(seen.mean);
        self.windows = self.windows.saturating_add(1);
        // While requests are refused, a longer time is the queue that the limit allows, and must
        // not become usual: the limit would grow by it, and the queue with the limit. Unless
        // less comes through than usual: no queue does that, so each takes longer by itself. Or
        // the limit cannot become lower, and that did not help.
        let lowest = self.limit <= LOWEST.max(self.settings.floor as f64);
        let (over, most) = if self.windows < FIRST {
            (span * f64::from(self.windows), f64::INFINITY)
        } else if !seen.refused || lowest {
            self.before = None;
            (USUAL, f64::INFINITY)
        } else {
            let before = *self.before.get_or_insert(baseline);
            let over = if self.is_less() { ANEW } else { f64::INFINITY };
            (over, baseline.max(LEEWAY * before))
        };
        let learned = (baseline + (seen.mean - baseline) * (span / over)).min(most);
        // What was far too long is given up sooner.
        let learned = if learned > 2.0 * seen.mean {
            learned * 0.95
        } else {
            learned
        };
        self.baseline = Some(learned);
    }

    /// Whether less comes through than usual, and not by chance: not as a mean over so many.
    fn is_less(&self) -> bool {
        let chance = 3.0 / (2.0 * OF_LATE * self.usual_rate).sqrt();
        self.rate < self.usual_rate * (1.0 - chance).min(LESS)
    }

    fn tolerance(&self) -> f64 {
        f64::from(self.settings.tolerance_percent) / 100.0
    }

    fn set(&mut self, limit: f64) {
        let (floor, ceiling) = (self.settings.floor as f64, self.settings.ceiling as f64);
        self.limit = limit.min(ceiling).max(floor);
    }
}

fn is_time(seconds: f64) -> bool {
    seconds.is_finite() && seconds > 0.0
}
