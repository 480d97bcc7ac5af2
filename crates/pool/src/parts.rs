//! One checkout, from the queue to a connection that works; and the upkeep of those that are
//! idle.

use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;

use bb8::{ManageConnection, PooledConnection};
use futures_util::FutureExt as _;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};
use towerblock_core::{Reason, Rejected, TenantId};
use towerblock_fair::{Acquire, Slot};

use crate::aging::after;
use crate::engine::Engine;
use crate::error::Scene;
use crate::kept::Kept;
use crate::live::Live;
use crate::{Held, PoolError, Pooled, Settings};

const OVERLOADED: Rejected = Rejected::new("pool", Reason::Overloaded);
const UNAVAILABLE: Rejected = Rejected::new("pool", Reason::Unavailable);

/// What a pool and the task behind it share.
pub(crate) struct Parts<M: ManageConnection> {
    pub(crate) manager: Arc<M>,
    pub(crate) settings: Settings,
    pub(crate) live: Arc<Live>,
    /// The engine below.
    pub(crate) idle: bb8::Pool<Engine<M>>,
}

impl<M: ManageConnection> Parts<M> {
    pub(crate) async fn get(
        &self,
        tenant: &TenantId,
        at: &'static Location<'static>,
    ) -> Result<Pooled<M>, Rejected> {
        let live = &self.live;
        let mut now = Instant::now();
        let deadline = after(now, self.settings.acquire_timeout);
        let mut slot = match live.slots.try_acquire(tenant) {
            Ok(slot) => slot,
            Err(_) => {
                let slot = self.wait(self.line_up(tenant, deadline), tenant, deadline);
                let slot = slot.await?;
                now = Instant::now();
                slot
            }
        };
        loop {
            // Cancel safety: the slot goes back with this future, and so does a connection.
            if let Some(mut connection) = self.tested(tenant, now, deadline).await {
                let held = Held {
                    tenant: tenant.clone(),
                    at,
                    since: now,
                };
                connection.holder.taken(held);
                if self.settings.looks > 1 {
                    connection.tenant = Some(tenant.clone());
                }
                return Ok(Pooled::new(connection, slot));
            }
            if Instant::now() >= deadline {
                return Err(live.blame(OVERLOADED));
            }
            // What the slot stood for is gone, or looked at by the task behind the pool.
            yield_now().await;
            slot = self.wait(slot.exchange(tenant), tenant, deadline).await?;
            now = Instant::now();
        }
    }

    fn line_up(&self, tenant: &TenantId, deadline: Instant) -> Acquire {
        let live = &self.live;
        let growth = live.growth();
        if growth.open < growth.size {
            // What waiting was like so far says nothing of what it will be with more.
            live.slots.acquire(tenant)
        } else {
            live.slots.acquire_before(tenant, deadline)
        }
    }

    /// A slot, when it is this tenant's turn.
    async fn wait(
        &self,
        acquire: Acquire,
        tenant: &TenantId,
        deadline: Instant,
    ) -> Result<Slot, Rejected> {
        let live = &self.live;
        let mut acquire = pin!(acquire);
        let slot = match acquire.as_mut().now_or_never() {
            Some(slot) => slot,
            None => {
                live.missed();
                // Cancel safety: the place in the queue goes with this future.
                tokio::select! {
                    biased;
                    slot = acquire => slot,
                    () = live.is_hopeless() => Err(UNAVAILABLE),
                    // The semaphore knows whether it was the tenant's share or the others.
                    () = sleep_until(deadline) => live.slots.try_acquire(tenant),
                }
            }
        };
        slot.map_err(|rejected| live.blame(rejected))
    }

    /// An idle connection that works, as far as that can be told.
    async fn tested(
        &self,
        tenant: &TenantId,
        mut now: Instant,
        deadline: Instant,
    ) -> Option<PooledConnection<'static, Engine<M>>> {
        loop {
            let mut connection = self.take_for(tenant)?;
            let kept = &mut *connection;
            if kept.is_over(now) || self.manager.has_broken(&mut kept.connection) {
                condemn(connection);
                continue;
            }
            if !kept.age.needs_a_test(now, self.settings.validation) {
                return Some(connection);
            }
            if now >= deadline {
                // It goes back as it is.
                return None;
            }
            // Left before its end, the test may have left an answer on its way.
            kept.is_condemned = true;
            let test = self.manager.is_valid(&mut kept.connection);
            // Cancel safety: condemned as it is, the connection is closed when dropped.
            if let Ok(Ok(())) = timeout(self.settings.validation.timeout, test).await {
                kept.is_condemned = false;
                return Some(connection);
            }
            self.live.counters.evicted();
            drop(connection);
            now = Instant::now();
        }
    }

    /// An idle connection, and of the first few one that this tenant had last.
    fn take_for(&self, tenant: &TenantId) -> Option<PooledConnection<'static, Engine<M>>> {
        let is_own = |kept: &Kept<M::Connection>| kept.tenant.as_ref() == Some(tenant);
        let first = self.take()?;
        let looks = self.settings.looks;
        if looks <= 1 || is_own(&first) || self.idle.state().idle_connections == 0 {
            return Some(first);
        }
        let mut others = Vec::new();
        let mut own = None;
        while own.is_none() && others.len() + 1 < looks {
            match self.take() {
                Some(other) if is_own(&other) => own = Some(other),
                Some(other) => others.push(other),
                None => break,
            }
        }
        // The one that was used last goes back last.
        while let Some(other) = others.pop() {
            drop(other);
        }
        own.or(Some(first))
    }

    /// An idle connection, if there is one: bb8 hands it out when it is first polled, or
    /// not at all.
    pub(crate) fn take(&self) -> Option<PooledConnection<'static, Engine<M>>> {
        self.idle.get_owned().now_or_never()?.ok()
    }

    /// Closes what nobody used for long, but for those that are kept, and what there is too
    /// much of.
    pub(crate) fn close_idle(&self) {
        let now = Instant::now();
        // The one that was used last comes first, and has to come back last.
        let mut all: Vec<_> = std::iter::from_fn(|| self.take()).collect();
        while let Some(mut idle) = all.pop() {
            let growth = self.live.growth();
            let is_surplus = growth.open > growth.min_idle;
            let is_old = idle.age.is_idle_too_long(now, self.settings.aging);
            idle.is_condemned |= idle.is_over(now) || (is_old && is_surplus);
        }
    }

    pub(crate) fn explain(&self, rejected: Rejected) -> PoolError {
        let live = &self.live;
        live.counters.refused();
        live.turned_away();
        let scene = Scene {
            at: Instant::now(),
            growth: live.growth(),
            waiting: live.waiting(),
            held: live.held(),
            last_error: live.why(),
        };
        PoolError::new(rejected, scene)
    }
}

pub(crate) fn condemn<M: ManageConnection>(mut connection: PooledConnection<'_, Engine<M>>) {
    connection.is_condemned = true;
}
