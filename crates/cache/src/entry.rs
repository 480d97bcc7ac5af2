use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::Error;
use crate::ring::Ticket;
use crate::tenant::Tenant;

/// What stands in memory under a key: a value, that there is none, or why it failed to load.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(crate) meta: Meta,
    pub(crate) value: T,
}

/// There is no such thing.
#[derive(Debug)]
pub(crate) struct Absent;

/// It failed to load just now.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) Error);

/// What is the same of all entries.
#[derive(Debug)]
pub(crate) struct Meta {
    tenant: Arc<Tenant>,
    /// Its place among what the tenant holds; without one it is not stored.
    ticket: Option<Ticket>,
    bytes: u32,
    failures: AtomicU32,
    live: AtomicBool,
    /// Invalidations that its load knew of, and those that it was compared with since.
    since: u64,
    seen: AtomicU64,
    tags: Box<[u64]>,
    // Times of the clock. When its load began, and when it was made, here or elsewhere.
    begun: u64,
    born: u64,
    fresh_until: AtomicU64,
    retry_at: AtomicU64,
}

/// What [`Meta`] is made of.
#[derive(Debug)]
pub(crate) struct Birth {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) bytes: u32,
    pub(crate) since: u64,
    pub(crate) tags: Box<[u64]>,
    /// When its load began.
    pub(crate) begun: u64,
    pub(crate) now: u64,
    /// What it was old when it came here, and for how long more it is fresh.
    pub(crate) age: u64,
    pub(crate) fresh_for: u64,
}

impl Meta {
    pub(crate) fn new(birth: Birth) -> Self {
        Self {
            tenant: birth.tenant,
            ticket: birth.ticket,
            bytes: birth.bytes,
            failures: AtomicU32::new(0),
            live: AtomicBool::new(false),
            since: birth.since,
            seen: AtomicU64::new(birth.since),
            tags: birth.tags,
            begun: birth.begun,
            born: birth.now.saturating_sub(birth.age),
            fresh_until: AtomicU64::new(birth.now.saturating_add(birth.fresh_for)),
            retry_at: AtomicU64::new(0),
        }
    }

    /// Whether it may be served, if it is not too old: not before its load was found not to be
    /// overtaken by an invalidation, and not after one.
    #[inline]
    pub(crate) fn is_valid(&self) -> bool {
        self.live.load(Ordering::Acquire)
            && self.tenant.is_valid(self.since, &self.tags, &self.seen)
    }

    /// Whether nothing was forgotten that concerns it, stored or not.
    pub(crate) fn is_current(&self) -> bool {
        self.tenant.is_valid(self.since, &self.tags, &self.seen)
    }

    pub(crate) fn go_live(&self) {
        self.live.store(true, Ordering::Release);
    }

    pub(crate) fn is_stored(&self) -> bool {
        self.ticket.is_some()
    }

    pub(crate) fn bytes(&self) -> u32 {
        self.bytes
    }

    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }

    pub(crate) fn born(&self) -> u64 {
        self.born
    }

    pub(crate) fn fresh_until(&self) -> u64 {
        self.fresh_until.load(Ordering::Relaxed)
    }

    pub(crate) fn expire(&self, now: u64) {
        self.fresh_until.fetch_min(now, Ordering::Relaxed);
        self.retry_at.store(0, Ordering::Relaxed);
    }

    pub(crate) fn retry_at(&self) -> u64 {
        self.retry_at.load(Ordering::Relaxed)
    }

    /// Is not to be loaded anew before this.
    pub(crate) fn leave_until(&self, retry_at: u64) {
        self.retry_at.store(retry_at, Ordering::Relaxed);
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn count_failures(&self, failures: u32) {
        self.failures.store(failures, Ordering::Relaxed);
    }

    /// Counts no longer as held, before memory gets round to dropping it.
    pub(crate) fn release(&self) {
        if let Some(ticket) = self.ticket {
            self.tenant.release(ticket);
        }
    }
}

impl Drop for Meta {
    fn drop(&mut self) {
        self.release();
    }
}

/// An entry of some type.
pub(crate) trait Slot: Send + Sync {
    fn meta(&self) -> &Meta;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<T: Send + Sync + 'static> Slot for Entry<T> {
    #[inline]
    fn meta(&self) -> &Meta {
        &self.meta
    }

    #[inline]
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
