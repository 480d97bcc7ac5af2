use std::time::Duration;

use hdrhistogram::Histogram;
use towerblock_core::Value;

use crate::statistics::report::Spread;

const SHORTEST: u64 = 1;
const LONGEST: u64 = 60_000_000;
const DIGITS: u8 = 2;
const MICROS: f64 = 1e6;

/// In seconds.
static BOUNDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
];

/// How durations are spread from 1 µs to 60 s, to two digits; what is beyond counts as the
/// nearest. Takes 20 KB.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    histogram: Histogram<u64>,
    sum: Duration,
}

impl Times {
    pub(crate) fn new() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "fails only for other bounds, and these are constants"
        )]
        let histogram =
            Histogram::new_with_bounds(SHORTEST, LONGEST, DIGITS).expect("the bounds are valid");
        Self {
            histogram,
            sum: Duration::ZERO,
        }
    }

    pub(crate) fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST);
        self.histogram
            .saturating_record(micros.clamp(SHORTEST, LONGEST));
        self.sum = self.sum.saturating_add(time);
    }

    pub(crate) const fn sum(&self) -> Duration {
        self.sum
    }

    pub(crate) fn spread(&self) -> Spread {
        let at = |quantile| Duration::from_micros(self.histogram.value_at_quantile(quantile));
        Spread {
            count: self.histogram.len(),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: Duration::from_micros(self.histogram.max()),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "60,000,000 µs fit a float to the last digit"
    )]
    pub(crate) fn buckets(&self) -> Value {
        let mut counts = vec![0; BOUNDS.len() + 1];
        for step in self.histogram.iter_recorded() {
            let micros = self.histogram.lowest_equivalent(step.value_iterated_to());
            let bucket = BOUNDS.partition_point(|bound| *bound < micros as f64 / MICROS);
            if let Some(count) = counts.get_mut(bucket) {
                *count += step.count_at_value();
            }
        }
        Value::Buckets {
            bounds: BOUNDS,
            counts,
            sum: self.sum.as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use towerblock_core::Value;

    use super::{BOUNDS, Times};

    fn near(time: Duration, expected: Duration) -> bool {
        time.abs_diff(expected) <= expected / 100
    }

    #[test]
    fn a_spread_is_right_to_two_digits() {
        let mut times = Times::new();
        for millis in 1..=1_000 {
            times.add(Duration::from_millis(millis));
        }
        let spread = times.spread();
        assert_eq!(spread.count, 1_000);
        for (found, millis) in [
            (spread.p50, 500),
            (spread.p95, 950),
            (spread.p99, 990),
            (spread.max, 1_000),
        ] {
            assert!(near(found, Duration::from_millis(millis)), "{spread:?}");
        }
    }

    #[test]
    fn what_is_beyond_counts_as_the_nearest() {
        let mut times = Times::new();
        times.add(Duration::ZERO);
        times.add(Duration::MAX);
        times.add(Duration::MAX);
        let spread = times.spread();
        assert_eq!(spread.count, 3);
        assert!(near(spread.max, Duration::from_secs(60)), "{spread:?}");
        assert_eq!(times.sum(), Duration::MAX);
        let mut instant = Times::new();
        instant.add(Duration::ZERO);
        assert_eq!(instant.spread().max, Duration::from_micros(1));
        let nothing = Times::new().spread();
        assert_eq!((nothing.count, nothing.max), (0, Duration::ZERO));
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut times = Times::new();
        for micros in [1, 500, 1_000, 1_020, 59_000_000, 90_000_000] {
            times.add(Duration::from_micros(micros));
        }
        let Value::Buckets {
            bounds,
            counts,
            sum,
        } = times.buckets()
        else {
            panic!("a histogram has buckets");
        };
        assert_eq!((bounds, counts.len()), (BOUNDS, BOUNDS.len() + 1));
        assert_eq!(counts[..4], [2, 1, 1, 0]);
        assert_eq!(counts[14..], [0, 2, 0], "90 s count as 60 s");
        assert!((sum - 149.002_521).abs() < 1e-9, "{sum}");
    }
}
