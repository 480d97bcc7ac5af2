//! What is open, who holds it, and who waits: shared by a pool and its connections.

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use towerblock_core::{Reason, Rejected};
use towerblock_fair::FairSemaphore;

use crate::Settings;
use crate::growth::Growth;
use crate::holder::{Held, Holder};
use crate::stats::Counters;

#[derive(Debug)]
pub(crate) struct Live {
    /// As many as there are open connections: whoever gets one finds one idle, so nobody
    /// waits anywhere but in this queue.
    pub(crate) slots: FairSemaphore,
    growth: Mutex<Growth>,
    closed: AtomicBool,
    /// There are more connections than there may be.
    crowded: AtomicBool,
    /// Somebody was refused while there might be more.
    turned_away: AtomicBool,
    /// Rings when a connection may have to be opened, or is gone.
    pub(crate) changed: Notify,
    pub(crate) gone: Notify,
    failure: Notify,
    pub(crate) counters: Counters,
    holders: Mutex<Vec<Weak<Holder>>>,
    last_error: Mutex<Option<String>>,
}

impl Live {
    pub(crate) fn new(slots: FairSemaphore, size: NonZeroUsize, settings: &Settings) -> Self {
        slots.resize(0);
        Self {
            slots,
            growth: Mutex::new(Growth {
                size: size.get(),
                min_idle: settings.min_idle,
                at_once: settings.connects.at_once.max(1),
                open: 0,
                connecting: 0,
            }),
            closed: AtomicBool::new(false),
            crowded: AtomicBool::new(false),
            turned_away: AtomicBool::new(false),
            changed: Notify::new(),
            gone: Notify::new(),
            failure: Notify::new(),
            counters: Counters::default(),
            holders: Mutex::default(),
            last_error: Mutex::default(),
        }
    }

    pub(crate) fn growth(&self) -> Growth {
        *self.growth_mut()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.slots.waiting()
    }

    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// From now on no connection is opened, and those that come back are closed.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.slots.close();
        self.changed.notify_one();
    }

    pub(crate) fn resize(&self, size: NonZeroUsize) {
        self.growth_mut().size = size.get();
        self.publish();
        self.changed.notify_one();
    }

    /// Somebody began to wait.
    pub(crate) fn missed(&self) {
        if self.growth().wanted(self.slots.short_of()) > 0 {
            self.changed.notify_one();
        }
    }

    /// Somebody was refused though there may be more connections: that one counts as well.
    pub(crate) fn turned_away(&self) {
        if self.growth().wanted(1) > 0 {
            self.turned_away.store(true, Ordering::Relaxed);
            self.changed.notify_one();
        }
    }

    /// An attempt to connect, if one is wanted.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<Attempt> {
        // While none can be opened, one attempt is always on its way: whoever asks meanwhile
        // is refused, and waits for nothing.
        let one = self.last_error().is_some() || self.turned_away.swap(false, Ordering::Relaxed);
        let waiting = self.slots.short_of().max(usize::from(one));
        let mut growth = self.growth_mut();
        if self.is_closed() || growth.wanted(waiting) == 0 {
            return None;
        }
        growth.connecting += 1;
        Some(Attempt(Arc::clone(self)))
    }

    /// One connection more is open; its slot is lent once it is in the pool, by
    /// [`publish`](Self::publish).
    pub(crate) fn opened(&self) {
        self.growth_mut().open += 1;
    }

    /// One connection less is open.
    pub(crate) fn closed(&self) {
        {
            let mut growth = self.growth_mut();
            growth.open = growth.open.saturating_sub(1);
        }
        self.publish();
        self.counters.closed();
        self.changed.notify_one();
        self.gone.notify_waiters();
        self.failure.notify_waiters();
    }

    /// Lends as many slots as there are connections. Not under the lock, for it wakes those
    /// who wait: of two that do so at once, the later sees what both did.
    pub(crate) fn publish(&self) {
        let target = |growth: Growth| (growth.open.min(growth.size), growth.has_too_many());
        let mut now = target(self.growth());
        loop {
            self.slots.resize(now.0);
            self.crowded.store(now.1, Ordering::Relaxed);
            let then = std::mem::replace(&mut now, target(self.growth()));
            if then == now {
                return;
            }
        }
    }

    pub(crate) fn failed(&self, error: &str) {
        self.counters.connect_failed();
        let was = self.last_error().replace(error.to_owned());
        self.failure.notify_waiters();
        if was.is_none() {
            tracing::warn!(error, "cannot open a connection");
        }
    }

    pub(crate) fn connected(&self) {
        self.counters.connected();
        let was = self.last_error().take();
        if was.is_some() {
            tracing::info!("connections can be opened again");
        }
    }

    /// Waits until there is no connection, and none can be opened.
    pub(crate) async fn is_hopeless(&self) {
        loop {
            let mut failure = pin!(self.failure.notified());
            failure.as_mut().enable();
            if self.growth().open == 0 && self.last_error().is_some() {
                return;
            }
            // Cancel safety: nothing is held here.
            failure.await;
        }
    }

    /// Whoever waited in vain where there was nothing to wait for was not kept by others.
    pub(crate) fn blame(&self, rejected: Rejected) -> Rejected {
        if rejected.reason() == Reason::Overloaded && self.growth().open == 0 {
            return Rejected::new("pool", Reason::Unavailable);
        }
        rejected
    }

    /// Why the last attempt to connect failed, if it did.
    pub(crate) fn why(&self) -> Option<String> {
        self.last_error().clone()
    }

    pub(crate) fn holder(&self) -> Arc<Holder> {
        let holder = Arc::new(Holder::default());
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        holders.retain(|holder| holder.strong_count() > 0);
        holders.push(Arc::downgrade(&holder));
        holder
    }

    /// Who holds a connection now.
    pub(crate) fn held(&self) -> Vec<Held> {
        let holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        holders
            .iter()
            .filter_map(|holder| holder.upgrade()?.held())
            .collect()
    }

    fn last_error(&self) -> MutexGuard<'_, Option<String>> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn growth_mut(&self) -> MutexGuard<'_, Growth> {
        // No user code runs under this lock, so what it guards is always whole.
        self.growth.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one attempt to connect, until it is dropped.
#[derive(Debug)]
pub(crate) struct Attempt(Arc<Live>);

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.growth_mut().connecting -= 1;
    }
}
