use std::time::Duration;

use tokio::time::Instant;

/// Measures what a call takes where others leave it the machine. What somebody waited for a
/// processor meanwhile counts for a quarter: a bound that is narrow on a machine with nothing
/// else to do is one of the code, and four times as wide on one that is full.
pub(crate) struct Stopwatch {
    start: Instant,
    waited: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            waited: waited(),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        let elapsed = self.start.elapsed();
        let waited = waited().saturating_sub(self.waited).min(elapsed);
        elapsed - waited * 3 / 4
    }
}

/// How long somebody on this machine waited for a processor, since it was started; nothing
/// where it does not say.
fn waited() -> Duration {
    let pressure = std::fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
    let some = pressure.lines().find(|line| line.starts_with("some"));
    let total = some.and_then(|line| line.split_once("total="));
    let micros = total.and_then(|(_, total)| total.parse().ok());
    Duration::from_micros(micros.unwrap_or(0))
}
