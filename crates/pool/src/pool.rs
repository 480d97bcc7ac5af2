use std::fmt;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bb8::{ManageConnection, QueueStrategy};
use tokio::task::JoinSet;
use tokio::time::timeout;
use towerblock_core::{Metric, Stats, TenantId, Value};
use towerblock_fair::FairSemaphore;

use crate::engine::Engine;
use crate::live::Live;
use crate::parts::{Parts, condemn};
use crate::{Held, PoolError, Pooled, Settings, Status, connect, stats};

/// Connections that tenants share, each in its turn.
///
/// Clones share the connections. The task behind it ends with the last clone; connections
/// that are out then are closed when they come back.
pub struct Pool<M: ManageConnection> {
    parts: Arc<Parts<M>>,
    _task: Arc<Task>,
}

/// The task behind a pool. Without it nothing is opened any more, and what comes back is
/// closed.
struct Task {
    _set: JoinSet<()>,
    live: Arc<Live>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.live.close();
    }
}

const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl<M: ManageConnection> Pool<M> {
    /// Opens up to `size` connections with `manager`, and lets tenants wait for them as
    /// `slots` says: its queue, shares, caps and reserves hold, its number of slots does not.
    ///
    /// It starts empty, and connects when somebody asks; so it starts while the server is
    /// away. The semaphore is the pool's alone from then on: it sets the number of slots.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(manager: M, size: NonZeroUsize, slots: FairSemaphore, settings: Settings) -> Self {
        let manager = Arc::new(manager);
        let idle = bb8::Pool::builder()
            .max_size(u32::MAX)
            // Those that are used stay warm, and the others grow old.
            .queue_strategy(QueueStrategy::Lifo)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_on_check_out(false)
            .retry_connection(false)
            .build_unchecked(Engine::new(Arc::clone(&manager)));
        let live = Arc::new(Live::new(slots, size, &settings));
        let parts = Arc::new(Parts {
            manager,
            settings,
            live,
            idle,
        });
        let mut set = JoinSet::new();
        set.spawn(connect::run(Arc::clone(&parts)));
        let task = Task {
            _set: set,
            live: Arc::clone(&parts.live),
        };
        Self {
            parts,
            _task: Arc::new(task),
        }
    }

    /// A connection for `tenant`, when its turn comes.
    ///
    /// Cancel safety: dropped, it leaves nothing behind; a connection that it was testing is
    /// closed.
    ///
    /// # Errors
    ///
    /// When none came within the time that was set, too many wait already, none can be
    /// opened, or the pool is being drained.
    #[track_caller]
    pub fn get<'p>(
        &'p self,
        tenant: &'p TenantId,
    ) -> impl Future<Output = Result<Pooled<M>, PoolError>> + Send + 'p {
        let at = Location::caller();
        async move {
            let got = self.parts.get(tenant, at).await;
            got.map_err(|rejected| self.parts.explain(rejected))
        }
    }

    /// Has up to `size` connections from now on. In a smaller pool idle ones are closed soon,
    /// and others as they come back.
    pub fn resize(&self, size: NonZeroUsize) {
        self.parts.live.resize(size);
    }

    /// Hands out no connection any more, closes idle ones, and waits for those that are out
    /// to come back, but no longer than `patience`. Returns how many are still out; they are
    /// closed when they come back.
    pub async fn drain(&self, patience: Duration) -> usize {
        let live = &self.parts.live;
        live.close();
        let all_gone = async {
            loop {
                let mut gone = pin!(live.gone.notified());
                gone.as_mut().enable();
                while let Some(idle) = self.parts.take() {
                    condemn(idle);
                }
                let growth = live.growth();
                if growth.open + growth.connecting == 0 {
                    return;
                }
                // One that was on its way back into the pool when it was closed tells nobody.
                // Cancel safety: nothing is held here.
                let _ = timeout(LOOK_AGAIN, gone).await;
            }
        };
        let _ = timeout(patience, all_gone).await;
        live.growth().open
    }

    /// What is open, used and waited for now.
    #[must_use]
    pub fn status(&self) -> Status {
        let live = &self.parts.live;
        let growth = live.growth();
        Status {
            size: growth.size,
            open: growth.open,
            used: live.held().len(),
            waiting: live.waiting(),
        }
    }

    /// Who holds a connection now.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        self.parts.live.held()
    }

    /// Why the last attempt to open a connection failed, if it did.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.parts.live.why()
    }
}

impl<M: ManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self {
            parts: Arc::clone(&self.parts),
            _task: Arc::clone(&self._task),
        }
    }
}

impl<M: ManageConnection> Stats for Pool<M> {
    fn describe(&self) -> &'static [Metric] {
        stats::METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let live = &self.parts.live;
        let used = live.held().len();
        live.counters
            .read(live.growth(), used, live.waiting(), sink);
    }
}

impl<M: ManageConnection> fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("settings", &self.parts.settings)
            .field("growth", &self.parts.live.growth())
            .finish_non_exhaustive()
    }
}
