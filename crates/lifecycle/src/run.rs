use std::pin::pin;

use tokio::time::{Instant, sleep_until};

use crate::lifecycle::lock;
use crate::{Ending, Fault, Lifecycle, Phase};

impl Lifecycle {
    /// Runs `work`, as a rule what [`serve`](Self::serve) returns, through all phases, and the close
    /// hooks after it.
    ///
    /// The work should end by itself in [`Phase::Closing`]; it is dropped when the grace is over. When it
    /// ends before that, the service stops without draining.
    ///
    /// Cancel safety: dropping this drops the work, and the hook that is running; the others do not
    /// run.
    pub async fn run(&self, work: impl Future<Output = ()>) -> Ending {
        self.work(work).await;
        let (aborted, deadline) = self.cut();
        if aborted {
            let (in_flight, connections) = (self.in_flight(), self.connections());
            tracing::warn!(in_flight, connections, "cut off what had not ended");
        }
        let unfinished = self.close(deadline).await;
        self.finished();
        Ending {
            aborted,
            unfinished,
        }
    }

    /// Returns in [`Phase::Finishing`]; the work is dropped by then.
    async fn work(&self, work: impl Future<Output = ()>) {
        let mut work = pin!(work);
        let mut is_working = true;
        loop {
            let deadline = self.tick(is_working);
            if self.phase() >= Phase::Finishing {
                return;
            }
            tokio::select! {
                () = work.as_mut(), if is_working => is_working = false,
                () = self.shared.changed.notified() => {}
                () = at(deadline) => {}
            }
        }
    }

    async fn close(&self, deadline: Option<Instant>) -> Vec<(&'static str, Fault)> {
        let mut unfinished = Vec::new();
        let mut stopped = pin!(self.until(Phase::Stopped));
        loop {
            let Some(hook) = lock(&self.shared.hooks).next() else {
                return unfinished;
            };
            let name = hook.name;
            let ended = if self.phase() == Phase::Stopped {
                Err(Fault::Skipped)
            } else {
                tokio::select! {
                    ended = hook.run(deadline) => ended,
                    () = stopped.as_mut() => Err(Fault::Skipped),
                }
            };
            if let Err(fault) = ended {
                tracing::warn!(hook = name, %fault, "a close hook did not end");
                unfinished.push((name, fault));
            }
        }
    }
}

/// Never, if there is no deadline.
async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
