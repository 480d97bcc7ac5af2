use std::time::Duration;

use tokio::time::Instant;

/// So long after a writer has noted something it is looked for, as its transaction may be over.
const SOON: Duration = Duration::from_millis(5);

/// When the relay looks next: at a steady pace, and more often at first after something was
/// written here. It waits as long as it has waited before, so it finds a transaction that took a
/// while no later than after as long again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    every: Duration,
    gap: Duration,
    due: Instant,
    /// It failed: more would not help.
    rests: bool,
}

impl Pace {
    pub(crate) const fn new(every: Duration, now: Instant) -> Self {
        Self {
            every,
            gap: every,
            due: now,
            rests: false,
        }
    }

    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// Something was written.
    pub(crate) fn hasten(&mut self, now: Instant) {
        if self.rests {
            return;
        }
        self.gap = SOON.min(self.every);
        self.due = self.due.min(now + self.gap);
    }

    pub(crate) fn looked(&mut self, now: Instant) {
        self.due = now + self.gap;
        self.gap = (self.gap * 2).min(self.every);
    }

    /// Whether the last look worked.
    pub(crate) fn went(&mut self, well: bool, now: Instant) {
        self.rests = !well;
        if self.rests {
            self.gap = self.every;
            self.due = now + self.every;
        }
    }

    /// There was more than it took.
    pub(crate) const fn again(&mut self, now: Instant) {
        self.due = now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Pace, SOON};

    const EVERY: Duration = Duration::from_secs(1);

    #[test]
    fn it_looks_at_a_steady_pace() {
        let start = Instant::now();
        let mut pace = Pace::new(EVERY, start);
        assert_eq!(pace.due(), start);
        for n in 1..5 {
            pace.looked(pace.due());
            assert_eq!(pace.due(), start + n * EVERY);
        }
    }

    #[test]
    fn a_commit_is_found_within_twice_the_time_it_took() {
        let start = Instant::now();
        for commit in [1, 4, 6, 11, 60, 300, 900, 2_500].map(Duration::from_millis) {
            let mut pace = Pace::new(EVERY, start);
            pace.looked(start);
            pace.hasten(start);
            while pace.due() < start + commit {
                pace.looked(pace.due());
            }
            let late = pace.due() - (start + commit);
            assert!(late <= commit.max(SOON).min(EVERY), "{commit:?}: {late:?}");
        }
    }

    #[test]
    fn one_that_fails_is_not_hastened() {
        let start = Instant::now();
        let mut pace = Pace::new(EVERY, start);
        pace.hasten(start);
        pace.looked(start);
        pace.went(false, start);
        pace.hasten(start);
        assert_eq!(pace.due(), start + EVERY);
        pace.looked(start + EVERY);
        pace.went(true, start + EVERY);
        pace.hasten(start + EVERY);
        assert_eq!(pace.due(), start + EVERY + SOON);
    }

    #[test]
    fn steady_writers_do_not_put_it_off_nor_wear_it_out() {
        let start = Instant::now();
        let mut pace = Pace::new(EVERY, start);
        pace.looked(start);
        let mut looks = 0;
        for ms in 0..1_000 {
            let now = start + Duration::from_millis(ms);
            pace.hasten(now);
            if pace.due() <= now {
                pace.looked(now);
                looks += 1;
            }
        }
        assert!((150..=200).contains(&looks), "{looks}");
    }
}
