//! What was seen: latencies, and what went wrong, over time.

use std::time::Duration;

use hdrhistogram::Histogram;

/// One point of a plot.
pub(crate) const SLOT: Duration = Duration::from_millis(250);
/// Nothing is waited for longer.
const MOST_MICROS: u64 = 120_000_000;

/// How one request ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ending {
    Done,
    /// Answered from what was there, and said so.
    Degraded,
    /// 429 or 503: somebody decided so, and said when to come again.
    Refused,
    /// Any other answer, or none.
    Failed,
}

impl Ending {
    pub(crate) fn of(status: u16, is_degraded: bool) -> Self {
        match status {
            429 | 503 => Self::Refused,
            200..=399 if is_degraded => Self::Degraded,
            200..=399 => Self::Done,
            _ => Self::Failed,
        }
    }
}

/// A stretch of time, or all of it.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// In microseconds, of what was answered as asked.
    pub(crate) latency: Histogram<u32>,
    pub(crate) degraded: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
}

impl Tally {
    #[expect(
        clippy::expect_used,
        reason = "two digits up to two minutes are in range"
    )]
    pub(crate) fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, MOST_MICROS, 2);
        Self {
            latency: latency.expect("bounds that it accepts"),
            degraded: 0,
            refused: 0,
            failed: 0,
        }
    }

    fn add(&mut self, took: Duration, ending: Ending) {
        match ending {
            Ending::Refused => self.refused += 1,
            Ending::Failed => self.failed += 1,
            Ending::Degraded => self.degraded += 1,
            Ending::Done => {}
        }
        if matches!(ending, Ending::Done | Ending::Degraded) {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.latency.saturating_record(micros.max(1));
        }
    }

    fn merge(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.latency.add(&other.latency);
        self.degraded += other.degraded;
        self.refused += other.refused;
        self.failed += other.failed;
    }

    pub(crate) fn answered(&self) -> u64 {
        self.latency.len()
    }

    pub(crate) fn all(&self) -> u64 {
        self.answered() + self.refused + self.failed
    }

    /// In milliseconds, of so many in a hundred.
    #[expect(clippy::cast_precision_loss, reason = "at most two minutes")]
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        self.latency.value_at_percentile(percent) as f64 / 1_000.0
    }
}

/// All that one run saw, in slots from its start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording {
    pub(crate) slots: Vec<Tally>,
    pub(crate) time: Duration,
    /// Answers that came within that time.
    in_time: u64,
}

impl Recording {
    pub(crate) fn lasting(time: Duration) -> Self {
        Self {
            time,
            ..Self::default()
        }
    }

    /// `due` and `took` count from the start of the run.
    pub(crate) fn add(&mut self, due: Duration, took: Duration, ending: Ending) {
        let is_answer = matches!(ending, Ending::Done | Ending::Degraded);
        self.in_time += u64::from(is_answer && due + took <= self.time);
        let slot = (due.as_micros() / SLOT.as_micros()) as usize;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, Tally::new);
        }
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.add(took, ending);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let slots = self.slots.len().max(other.slots.len());
        self.slots.resize_with(slots, Tally::new);
        for (own, others) in self.slots.iter_mut().zip(&other.slots) {
            own.merge(others);
        }
        self.in_time += other.in_time;
    }

    /// From then until then, from the start.
    pub(crate) fn between(&self, from: Duration, to: Duration) -> Tally {
        let mut tally = Tally::new();
        for (n, slot) in (0_u32..).zip(&self.slots) {
            if (from..to).contains(&(SLOT * n)) {
                tally.merge(slot);
            }
        }
        tally
    }

    pub(crate) fn whole(&self) -> Tally {
        self.between(Duration::ZERO, Duration::MAX)
    }

    /// Answers per second; what came late is none of them.
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    pub(crate) fn rate(&self) -> f64 {
        self.in_time as f64 / self.time.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Ending, Recording, SLOT};

    #[test]
    fn what_ended_badly_is_counted_and_not_timed() {
        let ms = Duration::from_millis;
        let mut recording = Recording::lasting(ms(1_000));
        recording.add(ms(10), ms(3), Ending::of(200, false));
        recording.add(ms(10), ms(900), Ending::of(503, false));
        recording.add(SLOT, ms(5), Ending::of(304, true));
        recording.add(SLOT * 3, ms(5), Ending::of(500, false));
        let whole = recording.whole();
        assert_eq!((whole.answered(), whole.refused, whole.failed), (2, 1, 1));
        assert_eq!(whole.all(), 4);
        assert_eq!(whole.degraded, 1);
        assert!((2.9..3.1).contains(&whole.percentile(50.0)));
        assert_eq!(recording.between(SLOT, SLOT * 2).answered(), 1);
    }

    #[test]
    fn what_is_answered_after_the_end_is_no_part_of_the_rate() {
        let mut recording = Recording::lasting(Duration::from_secs(2));
        recording.add(Duration::ZERO, SLOT, Ending::Done);
        recording.add(SLOT, Duration::from_secs(2), Ending::Done);
        recording.add(SLOT, SLOT, Ending::Failed);
        let mut whole = Recording::lasting(Duration::from_secs(2));
        whole.merge(&recording);
        assert!((whole.rate() - 0.5).abs() < 1e-9);
        assert_eq!(whole.whole().answered(), 2);
    }
}
