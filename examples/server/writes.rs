//! Writes, and what is forgotten after them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use towerblock_core::TenantId;
use tracing::Instrument as _;

use crate::caches::{Caches, LATE, Stale};
use crate::store::StoreError;

/// Runs each write to its end, in a task: a client that hangs up after the commit and before
/// anything was forgotten would leave what is stale to all others.
#[derive(Debug)]
pub(crate) struct Writes {
    /// Nothing, once it is shut down.
    tasks: Mutex<Option<JoinSet<()>>>,
    ending: watch::Sender<bool>,
}

impl Writes {
    pub(crate) fn new() -> Self {
        Self {
            tasks: Mutex::new(Some(JoinSet::new())),
            ending: watch::Sender::new(false),
        }
    }

    /// Writes, and answers when what `stale` says is forgotten.
    ///
    /// Cancel safety: the write and what follows go on in their task.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        caches: &Arc<Caches>,
        tenant: &TenantId,
        write: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        stale: impl FnOnce(Option<&T>) -> Stale + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let (caches, tenant) = (Arc::clone(caches), tenant.clone());
        let mut ending = self.ending.subscribe();
        let task = async move {
            let outcome = write.await;
            if outcome.as_ref().is_err_and(StoreError::is_refusal) {
                // Nobody hears of it if the client is gone.
                let _ = answer.send(outcome);
                return;
            }
            let stale = stale(outcome.as_ref().ok());
            caches.forget(&tenant, &stale).await;
            let _ = answer.send(outcome);
            // A load that began since may have read a standby that had not got it yet, and is
            // kept no longer than this.
            let _ = timeout(LATE, ending.wait_for(|is_over| *is_over)).await;
            caches.forget(&tenant, &stale).await;
        };
        self.spawn(task.in_current_span());
        answered.await.unwrap_or(Err(StoreError::Ended))
    }

    /// Lets those under way end for so long, and drops the rest. What they forget a second
    /// time is forgotten now.
    pub(crate) async fn shutdown(&self, grace: Duration) {
        self.ending.send_replace(true);
        let tasks = self.tasks().take();
        if let Some(mut tasks) = tasks {
            // Cancel safety: a set that is dropped ends its tasks.
            let all = async { while tasks.join_next().await.is_some() {} };
            let _ = timeout(grace, all).await;
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *self.tasks() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
