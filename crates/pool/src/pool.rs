use std::fmt;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bb8::{ManageConnection, PooledConnection};
use futures_util::FutureExt as _;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, timeout, timeout_at};
use towerblock_core::{Metric, Reason, Rejected, Stats, TenantId, Value};
use towerblock_fair::FairSemaphore;

use crate::engine::Engine;
use crate::live::Live;
use crate::{Held, PoolError, Pooled, Settings, Status, connect, stats};

/// Connections that tenants share, each in its turn.
///
/// Clones share the connections. The task behind it ends with the last clone; connections
/// that are out then are closed when they come back.
pub struct Pool<M: ManageConnection> {
    parts: Arc<Parts<M>>,
    _task: Arc<JoinSet<()>>,
}

const UNAVAILABLE: Rejected = Rejected::new("pool", Reason::Unavailable);

pub(crate) struct Parts<M: ManageConnection> {
    pub(crate) manager: Arc<M>,
    pub(crate) settings: Settings,
    pub(crate) live: Arc<Live>,
    /// The engine below.
    pub(crate) idle: bb8::Pool<Engine<M>>,
}

impl<M: ManageConnection> Pool<M> {
    /// Opens up to `size` connections with `manager`, and lets tenants wait for them as
    /// `slots` says: its queue, shares, caps and reserves hold, its number of slots does not.
    ///
    /// It starts empty, and connects when somebody asks; so it starts while the server is
    /// away.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(manager: M, size: NonZeroUsize, slots: FairSemaphore, settings: Settings) -> Self {
        let manager = Arc::new(manager);
        let idle = bb8::Pool::builder()
            .max_size(u32::MAX)
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
        let mut task = JoinSet::new();
        task.spawn(connect::run(Arc::clone(&parts)));
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

    /// Has up to `size` connections from now on. A smaller pool closes idle ones at once,
    /// and others as they come back.
    pub fn resize(&self, size: NonZeroUsize) {
        self.parts.live.resize(size);
        while self.parts.live.growth().has_too_many() {
            let Some(surplus) = self.parts.take() else {
                return;
            };
            condemn(surplus);
        }
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
                if live.growth().open == 0 {
                    return;
                }
                // Cancel safety: nothing is held here.
                gone.await;
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

impl<M: ManageConnection> Parts<M> {
    async fn get(
        &self,
        tenant: &TenantId,
        at: &'static Location<'static>,
    ) -> Result<Pooled<M>, Rejected> {
        let live = &self.live;
        let mut now = Instant::now();
        let deadline = now + self.settings.acquire_timeout;
        loop {
            let mut waited = false;
            let mut acquire = pin!(live.slots.acquire_before(tenant, deadline));
            let slot = match acquire.as_mut().now_or_never() {
                Some(slot) => slot?,
                None => {
                    live.missed();
                    waited = true;
                    // Cancel safety: the place in the queue goes with this future.
                    tokio::select! {
                        biased;
                        slot = acquire => slot.map_err(|rejected| live.blame(rejected))?,
                        () = live.is_hopeless() => return Err(UNAVAILABLE),
                    }
                }
            };
            // The clock is read once where nobody waits.
            if waited {
                now = Instant::now();
            }
            // Cancel safety: the slot goes back with this future, and so does a connection.
            if let Some(connection) = self.tested(now, deadline).await {
                let held = Held {
                    tenant: tenant.clone(),
                    at,
                    since: now,
                };
                connection.holder.taken(held);
                return Ok(Pooled::new(connection, slot));
            }
            drop(slot);
            now = Instant::now();
            if now >= deadline {
                return Err(UNAVAILABLE);
            }
            // What the slot stood for is gone; the others must learn of it.
            yield_now().await;
        }
    }

    /// An idle connection that works, as far as that can be told.
    async fn tested(
        &self,
        mut now: Instant,
        deadline: Instant,
    ) -> Option<PooledConnection<'static, Engine<M>>> {
        loop {
            let mut connection = self.take()?;
            let kept = &mut *connection;
            if kept.is_over(now) || self.manager.has_broken(&mut kept.connection) {
                condemn(connection);
                continue;
            }
            if !kept.age.needs_a_test(now, self.settings.validation) {
                return Some(connection);
            }
            // Left before its end, the test may have left an answer on its way.
            kept.is_condemned = true;
            let test = self.manager.is_valid(&mut kept.connection);
            let end = deadline.min(now + self.settings.validation.timeout);
            // Cancel safety: condemned as it is, the connection is closed when dropped.
            if let Ok(Ok(())) = timeout_at(end, test).await {
                kept.is_condemned = false;
                return Some(connection);
            }
            self.live.counters.evicted();
            drop(connection);
            now = Instant::now();
        }
    }

    /// An idle connection, if there is one: bb8 hands it out when it is first polled, or
    /// not at all.
    fn take(&self) -> Option<PooledConnection<'static, Engine<M>>> {
        self.idle.get_owned().now_or_never()?.ok()
    }

    /// Closes what nobody used for long, but for those that are kept.
    pub(crate) fn close_idle(&self) {
        let now = Instant::now();
        // Once around: each that is looked at goes to the end.
        for _ in 0..self.idle.state().idle_connections {
            let Some(idle) = self.take() else {
                return;
            };
            let growth = self.live.growth();
            let is_surplus = growth.open > growth.min_idle;
            let is_old = idle.age.is_idle_too_long(now, self.settings.aging);
            if idle.is_over(now) || (is_old && is_surplus) {
                condemn(idle);
            }
        }
    }

    fn explain(&self, rejected: Rejected) -> PoolError {
        let live = &self.live;
        live.counters.refused();
        let why = live.why();
        PoolError::new(
            rejected,
            live.growth(),
            live.waiting(),
            &live.held(),
            why.as_deref(),
        )
    }
}

fn condemn<M: ManageConnection>(mut connection: PooledConnection<'_, Engine<M>>) {
    connection.is_condemned = true;
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
