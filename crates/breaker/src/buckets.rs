use crate::tagged::Tagged;
use crate::window::Tally;

const BUCKETS: u64 = 10;

/// The outcomes of the last so much time, counted in ten buckets.
#[derive(Debug)]
pub(crate) struct Buckets {
    /// Milliseconds that one bucket is for.
    width: u64,
    calls: Box<[Tagged]>,
    failed: Box<[Tagged]>,
    slow: Box<[Tagged]>,
}

impl Buckets {
    pub(crate) fn new(span: u64, slow: bool) -> Self {
        let count = BUCKETS as usize;
        Self {
            width: span.div_ceil(BUCKETS).max(1),
            calls: Tagged::many(count),
            failed: Tagged::many(count),
            slow: Tagged::many(if slow { count } else { 0 }),
        }
    }

    pub(crate) fn record(&self, tag: u64, now: u64, failed: bool, slow: bool) {
        let tick = self.tick(tag, now);
        // Before the others: whoever reads them finds the call in the count.
        let counted = at(&self.calls, tick).and_then(|calls| calls.add_one(tick));
        if counted.is_none() {
            return;
        }
        for (counts, add) in [(&self.failed, failed), (&self.slow, slow)] {
            if add {
                at(counts, tick).and_then(|count| count.add_one(tick));
            }
        }
    }

    pub(crate) fn tally(&self, tag: u64, now: u64) -> Tally {
        let last = self.tick(tag, now);
        let sum = |counts: &[Tagged]| {
            (0..BUCKETS)
                .map(|back| last.wrapping_sub(back))
                .filter_map(|tick| at(counts, tick).map(|count| count.get(tick)))
                .sum()
        };
        let (failed, slow) = (sum(&self.failed), sum(&self.slow));
        Tally {
            calls: sum(&self.calls),
            failed,
            slow,
        }
    }

    /// Both only grow, and tags stand further apart than a window is long: no time of one
    /// generation is a time of another.
    fn tick(&self, tag: u64, now: u64) -> u64 {
        tag.wrapping_add(now / self.width)
    }
}

fn at(counts: &[Tagged], tick: u64) -> Option<&Tagged> {
    counts.get((tick % BUCKETS) as usize)
}
