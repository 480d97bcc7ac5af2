use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use towerblock_core::TenantId;

use crate::ring::{Held, Ring, Ticket};
use crate::tenants::Tenants;

/// So many tags are told apart; when more of one tenant have been invalidated, all of it is.
const TAGS: usize = 1_000;

/// What is known of a tenant while it has entries, or loads under way.
///
/// An entry that knows of as many invalidations as its tenant had is valid; so a hit compares
/// two numbers, and forgetting a tenant is adding one.
pub(crate) struct Tenant {
    id: TenantId,
    /// How often many entries were invalidated at once.
    seq: AtomicU64,
    marks: Mutex<Marks>,
    ring: Mutex<Ring>,
    tenants: Arc<Tenants>,
    /// Where it stands there; the scope of a `SharedCache` does not.
    listed: Option<usize>,
}

#[derive(Default)]
struct Marks {
    /// What was loaded before this is invalid.
    floor: u64,
    /// What has this tag and was loaded before that is invalid.
    tags: HashMap<u64, u64>,
}

impl Tenant {
    pub(crate) fn new(id: TenantId, tenants: Arc<Tenants>, listed: Option<usize>) -> Self {
        Self {
            id,
            seq: AtomicU64::new(0),
            marks: Mutex::default(),
            ring: Mutex::default(),
            tenants,
            listed,
        }
    }

    pub(crate) fn id(&self) -> &TenantId {
        &self.id
    }

    /// How many invalidations whatever is loaded from now on knows of.
    pub(crate) fn seq(&self) -> u64 {
        self.seq.load(Ordering::Acquire)
    }

    /// Whether what was loaded at `since` is still valid; `seen` is up to where that is known.
    #[inline]
    pub(crate) fn is_valid(&self, since: u64, tags: &[u64], seen: &AtomicU64) -> bool {
        self.seq() == seen.load(Ordering::Relaxed) || self.look_up(since, tags, seen)
    }

    #[cold]
    fn look_up(&self, since: u64, tags: &[u64], seen: &AtomicU64) -> bool {
        let marks = self.marks();
        let is_older = |tag: &u64| marks.tags.get(tag).is_some_and(|mark| *mark > since);
        let valid = marks.floor <= since && !tags.iter().any(is_older);
        if valid {
            seen.store(self.seq(), Ordering::Relaxed);
        }
        valid
    }

    pub(crate) fn forget_all(&self) {
        let mut marks = self.marks();
        // Within the lock: who sees the number looks at the marks next.
        marks.floor = self.seq.fetch_add(1, Ordering::AcqRel) + 1;
        marks.tags = HashMap::new();
    }

    pub(crate) fn forget_tag(&self, tag: u64) {
        let mut marks = self.marks();
        let mark = self.seq.fetch_add(1, Ordering::AcqRel) + 1;
        if marks.tags.len() < TAGS || marks.tags.contains_key(&tag) {
            marks.tags.insert(tag, mark);
        } else {
            marks.floor = mark;
            marks.tags = HashMap::new();
        }
    }

    pub(crate) fn hold(&self, held: Held) -> Ticket {
        self.tenants.ledger.hold(u64::from(held.bytes));
        self.ring().push(held)
    }

    /// An entry counts no longer; nothing, if it did not.
    pub(crate) fn release(&self, ticket: Ticket) {
        let held = self.ring().remove(ticket);
        self.released(held);
    }

    pub(crate) fn pop_oldest(&self) -> Option<Held> {
        let held = self.ring().pop_oldest();
        self.released(held)
    }

    pub(crate) fn pop_dead(&self, now: u64) -> Option<Held> {
        let held = self.ring().pop_dead(now);
        self.released(held)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.ring().bytes()
    }

    pub(crate) fn holds_nothing(&self) -> bool {
        self.ring().len() == 0
    }

    fn released(&self, held: Option<Held>) -> Option<Held> {
        held.inspect(|held| self.tenants.ledger.release(u64::from(held.bytes)))
    }

    // No user code and no call of the memory below runs under these locks.

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        if let Some(at) = self.listed {
            self.tenants.leave(&self.id, at);
        }
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
