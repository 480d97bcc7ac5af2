use std::time::Duration;

use tokio::time::Instant;

const HALF_LIFE: Duration = Duration::from_secs(5);

/// Below this a difference is noise, and servers that nobody has measured start here.
const LEAST: Duration = Duration::from_micros(100);

/// Nothing that is worth comparing takes longer.
const MOST: Duration = Duration::from_secs(3_600);

/// How long a server takes: a longer call counts at once and in full, what is past fades. It
/// fades also while nobody calls, so that a server that was slow is tried again.
#[derive(Debug, Default)]
pub(super) struct Latency {
    peak: Option<(Duration, Instant)>,
}

impl Latency {
    pub(super) fn took(&mut self, took: Duration, now: Instant) {
        let took = took.min(MOST);
        let mean = match self.peak {
            Some((peak, at)) if peak > took => took + faded(peak - took, at, now),
            _ => took,
        };
        self.peak = Some((mean, now));
    }

    pub(super) fn at(&self, now: Instant) -> Duration {
        let peak = self.peak.map_or(LEAST, |(peak, at)| faded(peak, at, now));
        peak.max(LEAST)
    }
}

fn faded(peak: Duration, at: Instant, now: Instant) -> Duration {
    let age = now.saturating_duration_since(at);
    peak.mul_f64((-age.div_duration_f64(HALF_LIFE)).exp2())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{HALF_LIFE, LEAST, Latency};

    const SLOW: Duration = Duration::from_millis(64);

    #[test]
    fn it_rises_at_once_and_falls_by_half_in_its_half_life() {
        let (mut latency, now) = (Latency::default(), Instant::now());
        assert_eq!(latency.at(now), LEAST);
        latency.took(SLOW / 4, now);
        latency.took(SLOW, now);
        assert_eq!(latency.at(now), SLOW);
        assert_eq!(latency.at(now + HALF_LIFE), SLOW / 2);
        assert_eq!(latency.at(now + 1_000 * HALF_LIFE), LEAST);
    }

    #[test]
    fn quick_calls_pull_it_down_by_the_time_that_they_cover_not_by_their_number() {
        let (mut latency, now) = (Latency::default(), Instant::now());
        latency.took(SLOW, now);
        for _ in 0..1_000 {
            latency.took(SLOW / 2, now);
        }
        assert_eq!(latency.at(now), SLOW);
        latency.took(SLOW / 2, now + HALF_LIFE);
        assert_eq!(latency.at(now + HALF_LIFE), SLOW * 3 / 4);
        // A clock that is told out of order is no reason to forget.
        latency.took(SLOW / 2, now);
        assert!(latency.at(now) >= SLOW / 2);
    }

    #[test]
    fn no_duration_is_too_long() {
        let (mut latency, now) = (Latency::default(), Instant::now());
        for took in [Duration::MAX, Duration::ZERO, Duration::MAX, SLOW] {
            latency.took(took, now);
            assert!(latency.at(now + HALF_LIFE) >= LEAST);
        }
    }
}
