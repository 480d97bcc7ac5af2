use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Each octave has eight buckets, so the middle of one is at most 1/16 from whatever fell
/// into it.
const PER_OCTAVE: u64 = 8;
/// A unit is 128 ns; what is below eight of them has a bucket for each.
const UNIT: u32 = 7;
/// Up to 2³⁶ ns, some 68 seconds; what took longer counts as that.
const OCTAVES: u64 = 26;
const BUCKETS: usize = (PER_OCTAVE * (OCTAVES + 1)) as usize;

/// How long requests took, in 864 bytes, whatever their number.
#[derive(Debug)]
pub(crate) struct Sketch([AtomicU32; BUCKETS]);

impl Sketch {
    #[inline]
    pub(crate) fn record(&self, took: Duration) {
        if let Some(bucket) = self.0.get(bucket(took)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Half of what there is goes: what was recorded long ago counts for little, and nothing
    /// that is recorded meanwhile is lost.
    pub(crate) fn halve(&self) {
        for bucket in &self.0 {
            let count = bucket.load(Ordering::Relaxed);
            if count > 0 {
                bucket.fetch_sub(count.div_ceil(2), Ordering::Relaxed);
            }
        }
    }

    /// For each of these percentiles, a time that so many percent took at most: from 1/16
    /// less than exact to 1/16 more. Nothing without a sample.
    pub(crate) fn percentiles<const N: usize>(&self, percents: [u64; N]) -> Option<[Duration; N]> {
        let counts = self
            .0
            .each_ref()
            .map(|of| u64::from(of.load(Ordering::Relaxed)));
        let total: u64 = counts.iter().sum();
        (total > 0).then(|| percents.map(|percent| at(&counts, (total * percent).div_ceil(100))))
    }
}

impl Default for Sketch {
    fn default() -> Self {
        Self([const { AtomicU32::new(0) }; BUCKETS])
    }
}

/// Where the sample of this rank is, counted from 1.
fn at(counts: &[u64], rank: u64) -> Duration {
    let mut seen = 0;
    let found = counts.iter().position(|count| {
        seen += count;
        seen >= rank.max(1)
    });
    middle(found.unwrap_or(BUCKETS - 1))
}

#[inline]
fn bucket(took: Duration) -> usize {
    let units = u64::try_from(took.as_nanos() >> UNIT).unwrap_or(u64::MAX);
    let units = units.min((1 << (OCTAVES + 3)) - 1);
    let place = if units < PER_OCTAVE {
        units
    } else {
        // The highest bit says which octave, the three below which bucket of it.
        let below = u64::from(units.ilog2()) - 3;
        (below + 1) * PER_OCTAVE + (units >> below) % PER_OCTAVE
    };
    usize::try_from(place).unwrap_or(BUCKETS - 1)
}

fn middle(bucket: usize) -> Duration {
    let (octave, place) = (bucket as u64 / PER_OCTAVE, bucket as u64 % PER_OCTAVE);
    let (from, width) = match octave {
        0 => (place, 1),
        _ => ((PER_OCTAVE + place) << (octave - 1), 1 << (octave - 1)),
    };
    Duration::from_nanos((from << UNIT) + (width << UNIT) / 2)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{BUCKETS, Sketch, bucket, middle};

    fn nanos(took: Duration) -> f64 {
        took.as_nanos() as f64
    }

    #[test]
    fn it_takes_less_than_a_thousand_bytes() {
        assert_eq!(size_of::<Sketch>(), 864);
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
        assert_eq!(bucket(Duration::ZERO), 0);
    }

    #[test]
    fn without_a_sample_it_says_nothing() {
        assert_eq!(Sketch::default().percentiles([50]), None);
    }

    #[test]
    fn what_is_old_fades_and_is_forgotten() {
        let sketch = Sketch::default();
        let slow = Duration::from_secs(1);
        (0..100).for_each(|_| sketch.record(slow));
        sketch.halve();
        (0..51).for_each(|_| sketch.record(Duration::from_millis(1)));
        assert!(sketch.percentiles([50]).unwrap()[0] < Duration::from_millis(2));
        (0..7).for_each(|_| sketch.halve());
        assert_eq!(sketch.percentiles([99]), None);
    }

    /// What is sorted has the quantile exactly.
    fn compare(mut samples: Vec<u64>) {
        let sketch = Sketch::default();
        for sample in &samples {
            sketch.record(Duration::from_nanos(*sample));
        }
        samples.sort_unstable();
        for (told, percent) in sketch
            .percentiles([50, 95, 99])
            .unwrap()
            .iter()
            .zip([50, 95, 99])
        {
            let rank = (samples.len() * percent).div_ceil(100);
            let exact = samples[rank - 1] as f64;
            let off = (nanos(*told) - exact).abs();
            assert!(off <= exact / 16.0, "p{percent}: {told:?} for {exact} ns");
        }
    }

    #[test]
    fn quantiles_of_log_normal_bimodal_and_constant_times_are_within_a_sixteenth() {
        let mut seed = 7_u64;
        let mut uniform = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut normal = || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        compare((0..20_000).map(|_| (normal().exp() * 5e6) as u64).collect());
        compare(
            (0..20_000)
                .map(|n| if n % 10 == 0 { 900_000_000 } else { 2_000_000 })
                .collect(),
        );
        compare(vec![41_234_567; 1_000]);
        compare(vec![1_500]);
    }

    proptest! {
        #[test]
        fn no_time_is_further_from_the_middle_than_a_sixteenth(ns in 1_024_u64..1 << 36) {
            let took = Duration::from_nanos(ns);
            let off = (nanos(middle(bucket(took))) - ns as f64).abs();
            prop_assert!(off <= ns as f64 / 16.0);
        }
    }
}
