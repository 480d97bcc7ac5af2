use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How often the coarse time moves on.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Nobody moves it on.
const STOPPED: u64 = u64::MAX;

/// The time, in milliseconds since the hub was started: exact, or as of the last tick, which
/// costs a hit one load where the exact one costs it a tenth of all it takes.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    coarse: AtomicU64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            coarse: AtomicU64::new(STOPPED),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        millis(self.start.elapsed())
    }

    #[inline]
    pub(crate) fn coarse(&self) -> u64 {
        match self.coarse.load(Ordering::Relaxed) {
            STOPPED => self.now(),
            millis => millis,
        }
    }

    pub(crate) fn tick(&self) {
        self.coarse.store(self.now(), Ordering::Relaxed);
    }

    /// From now on the exact time is told: a clock that stands still would keep everything
    /// fresh for ever.
    pub(crate) fn stop(&self) {
        self.coarse.store(STOPPED, Ordering::Relaxed);
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
