//! How many reads the primary takes because no replica would do.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::{Reason, Rejected};

/// What is older than this counts for little.
const WINDOW: Duration = Duration::from_secs(5);
/// In a second; the primary bears them, and a service with little to do does not notice a
/// replica that is gone.
const ALWAYS: f64 = 10.0;

/// Lets a share of the reads fall back to the primary, so that replicas that are gone do not
/// take the writes with them.
///
/// Only for clusters that have replicas: where none is configured, reads belong to the primary.
#[derive(Debug)]
pub(crate) struct Fallback {
    share: f64,
    recent: Mutex<Recent>,
}

/// Sums in which each read counts less the longer ago it was.
#[derive(Debug, Default)]
struct Recent {
    reads: f64,
    fallen_back: f64,
    at: Option<Instant>,
}

impl Fallback {
    /// At most `percent` of the reads of the last seconds, and at least ten in a second, fifty
    /// of which may come at once. 100 or more is all of them.
    pub(crate) fn new(percent: u8) -> Self {
        Self {
            share: f64::from(percent) / 100.0,
            recent: Mutex::default(),
        }
    }

    /// Counts a read, whichever server it goes to, and also if it is refused.
    pub(crate) fn read(&self, now: Instant) {
        let mut recent = self.recent();
        recent.fade(now);
        recent.reads += 1.0;
    }

    /// Whether one that was counted may go to the primary.
    ///
    /// # Errors
    ///
    /// When the share is used up.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Rejected> {
        let mut recent = self.recent();
        recent.fade(now);
        let most = (self.share * recent.reads).max(ALWAYS * WINDOW.as_secs_f64());
        if recent.fallen_back >= most {
            let refused = Rejected::new("postgres", Reason::Unavailable);
            return Err(refused.with_retry_after(Duration::from_secs(1)));
        }
        recent.fallen_back += 1.0;
        Ok(())
    }

    /// One that was counted goes to the primary, whatever the share: it leaves less of it to
    /// others.
    pub(crate) fn took(&self, now: Instant) {
        let mut recent = self.recent();
        recent.fade(now);
        recent.fallen_back += 1.0;
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        // No user code runs under this lock, so the sums are whole.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn fade(&mut self, now: Instant) {
        let before = self.at.max(Some(now));
        if let (Some(at), Some(now)) = (self.at, before) {
            let kept = (-(now - at).div_duration_f64(WINDOW)).exp();
            self.reads *= kept;
            self.fallen_back *= kept;
        }
        self.at = before;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;
    use towerblock_core::Reason;

    use super::{Fallback, WINDOW};

    /// `per_second` reads for `seconds`, of which all would fall back; how many may, in each.
    fn admitted(fallback: &Fallback, from: Instant, per_second: u32, seconds: u32) -> Vec<u32> {
        let reads = (0..seconds).map(|second| {
            let reads = (0..per_second).map(|n| {
                let now = from + Duration::from_secs(1) * second;
                let now = now + Duration::from_secs(1) * n / per_second;
                fallback.read(now);
                u32::from(fallback.admit(now).is_ok())
            });
            reads.sum()
        });
        reads.collect()
    }

    #[test]
    fn a_share_of_much_traffic_falls_back() {
        let seconds = admitted(&Fallback::new(20), Instant::now(), 1_000, 60);
        for (second, count) in seconds.iter().enumerate().skip(1) {
            assert!((195..=205).contains(count), "{second}: {count}");
        }
    }

    #[test]
    fn little_traffic_falls_back_whole() {
        let (fallback, now) = (Fallback::new(0), Instant::now());
        assert_eq!(admitted(&fallback, now, 10, 60), [10; 60]);
        let seconds = admitted(&fallback, now + Duration::from_secs(60), 1_000, 60);
        let most: u32 = seconds.iter().skip(1).sum();
        assert!((59 * 10..=59 * 11).contains(&most), "{most}");
    }

    #[test]
    fn what_is_never_refused_leaves_less_to_others() {
        let (fallback, now) = (Fallback::new(20), Instant::now());
        for _ in 0..1_000 {
            fallback.read(now);
        }
        (0..150).for_each(|_| fallback.took(now));
        let admitted = (0..100).filter(|_| fallback.admit(now).is_ok()).count();
        assert_eq!(admitted, 50);
        fallback.took(now);
        assert!(fallback.admit(now).is_err());
    }

    #[test]
    fn all_may_fall_back_when_that_is_the_share() {
        for percent in [100, u8::MAX] {
            let seconds = admitted(&Fallback::new(percent), Instant::now(), 1_000, 9);
            assert_eq!(seconds, [1_000; 9]);
        }
    }

    #[test]
    fn what_is_long_past_does_not_count() {
        let (fallback, now) = (Fallback::new(20), Instant::now());
        for _ in 0..100_000 {
            fallback.read(now);
        }
        assert_eq!(admitted(&fallback, now, 1_000, 1), [1_000]);
        let later = now + 20 * WINDOW;
        let refused = (0..51).find_map(|_| fallback.admit(later).err()).unwrap();
        assert_eq!(refused.reason(), Reason::Unavailable);
        assert!(refused.retry_after().is_some());
        // A clock that is told out of order takes nothing back.
        assert!(fallback.admit(now).is_err());
    }
}
