use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use crate::Exposition;

/// A sample that waits takes 16 bytes.
const EVERY: Duration = Duration::from_secs(5);

/// The task that looks after an [`Exposition`]. Dropped, it stops.
#[derive(Debug)]
#[must_use = "dropped, it stops"]
pub struct Upkeep {
    task: JoinHandle<()>,
}

impl Upkeep {
    pub(crate) fn start(exposition: Exposition) -> Self {
        let task = tokio::spawn(async move {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let exposition = exposition.clone();
                // Cancel safety: a round that has begun comes to its end by itself.
                let round = spawn_blocking(move || exposition.tidy());
                if let Err(error) = round.await {
                    tracing::error!(%error, "metrics are not looked after");
                }
            }
        });
        Self { task }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.task.abort();
    }
}
