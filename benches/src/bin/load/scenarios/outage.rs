//! A load, a fault in the middle, and what was seen before, while and after.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::generator::Load;
use crate::marketplace::Outcome;
use crate::plot::Mark;
use crate::question::Pages;
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
    let (users, pages) = (load.users().await, Arc::new(Pages::new()));
    let start = Instant::now();
    let running = tokio::spawn(async move { load.ask(users, &pages, time).await });
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
