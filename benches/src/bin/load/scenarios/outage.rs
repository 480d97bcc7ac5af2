//! A load, a fault in the middle, and what was seen before, while and after.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::generator::Load;
use crate::marketplace::Outcome;
use crate::plot::Mark;
use crate::recording::{Recording, Tally};

/// Until the fault.
pub(crate) const BEFORE: Duration = Duration::from_secs(5);
/// How long it lasts.
pub(crate) const FAULT: Duration = Duration::from_secs(5);
/// What is seen of it once it is over.
pub(crate) const AFTER: Duration = Duration::from_secs(5);

/// What was seen, and when what was done.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) recording: Recording,
    pub(crate) fault: Duration,
    pub(crate) end: Duration,
}

/// Runs `load`, and beside it `breaks` and later `mends`.
pub(crate) async fn under(
    load: &Load,
    breaks: impl AsyncFnOnce() -> Outcome<()>,
    mends: impl AsyncFnOnce() -> Outcome<()>,
) -> Outcome<Seen> {
    let time = BEFORE + FAULT + AFTER;
    let load = load.clone();
    let running = tokio::spawn(async move { load.run(time).await });
    // Until the users have opened their connections it has not begun.
    sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    sleep_until(start + BEFORE).await;
    let fault = start.elapsed();
    breaks().await?;
    sleep_until(start + BEFORE + FAULT).await;
    mends().await?;
    let end = start.elapsed();
    Ok(Seen {
        recording: running.await?,
        fault,
        end,
    })
}

impl Seen {
    pub(crate) fn before(&self) -> Tally {
        // The first second is that of connections and caches that warm up.
        self.recording.between(Duration::from_secs(1), BEFORE)
    }

    pub(crate) fn during(&self) -> Tally {
        self.recording.between(self.fault, self.end)
    }

    pub(crate) fn after(&self) -> Tally {
        self.recording.between(self.end, Duration::MAX)
    }

    pub(crate) fn marks(&self, fault: &'static str) -> [Mark; 2] {
        [(self.fault, fault), (self.end, "mended")]
    }
}
