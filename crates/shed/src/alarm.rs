use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Who refuses nobody for so long has stopped.
const QUIET: Duration = Duration::from_secs(1);

/// Tells when refusing begins and when it has ended, once each.
#[derive(Debug)]
pub(crate) struct Alarm {
    on: AtomicBool,
    made: Instant,
    /// When somebody was refused last, in milliseconds since this was made.
    last: AtomicU64,
}

impl Alarm {
    pub(crate) const fn new(made: Instant) -> Self {
        Self {
            on: AtomicBool::new(false),
            made,
            last: AtomicU64::new(0),
        }
    }

    /// Whether it begins with this refusal.
    pub(crate) fn refused(&self, now: Instant) -> bool {
        self.last.store(self.millis(now), Ordering::Relaxed);
        !self.on.load(Ordering::Relaxed) && !self.on.swap(true, Ordering::Relaxed)
    }

    /// Whether it has ended by now. The clock is read only where it has begun.
    pub(crate) fn admitted(&self, now: impl FnOnce() -> Instant) -> bool {
        self.on.load(Ordering::Relaxed) && self.ends(now())
    }

    #[cold]
    fn ends(&self, now: Instant) -> bool {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        let since = Duration::from_millis(self.millis(now)).saturating_sub(last);
        since >= QUIET && self.on.swap(false, Ordering::Relaxed)
    }

    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.made).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}
