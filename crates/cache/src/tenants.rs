use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use slab::Slab;
use towerblock_core::TenantId;

use crate::tenant::Tenant;

/// Every tenant that has an entry or a load under way, and no other: the last of these that is
/// dropped takes its tenant along. So there are no more of them than entries and loads.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    book: Mutex<Book>,
    pub(crate) ledger: Ledger,
}

#[derive(Debug, Default)]
struct Book {
    places: HashMap<TenantId, usize>,
    tenants: Slab<Weak<Tenant>>,
    swept: usize,
}

impl Tenants {
    pub(crate) fn enter(self: &Arc<Self>, id: &TenantId) -> Arc<Tenant> {
        let mut book = self.book();
        if let Some(known) = book.find(id) {
            return known;
        }
        let place = book.tenants.vacant_entry();
        let at = place.key();
        let tenant = Arc::new(Tenant::new(id.clone(), Arc::clone(self), Some(at)));
        place.insert(Arc::downgrade(&tenant));
        book.places.insert(id.clone(), at);
        tenant
    }

    /// A tenant that has anything at all.
    pub(crate) fn find(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.book().find(id)
    }

    pub(crate) fn leave(&self, id: &TenantId, at: usize) {
        let mut book = self.book();
        book.tenants.try_remove(at);
        // It may be back already, in another place.
        if book.places.get(id) == Some(&at) {
            book.places.remove(id);
            let (room, used) = (book.places.capacity(), book.places.len());
            if room > 1_024 && used < room / 8 {
                book.places.shrink_to(room / 2);
            }
        }
        if book.tenants.is_empty() {
            book.tenants.shrink_to_fit();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.book().places.len()
    }

    /// The next so many, in turn.
    pub(crate) fn some(&self, many: usize) -> Vec<Arc<Tenant>> {
        let mut book = self.book();
        let from = book.swept;
        let to = from.saturating_add(many);
        let wrap = to >= book.tenants.capacity();
        book.swept = if wrap { 0 } else { to };
        let tenants = (from..to).filter_map(|at| book.tenants.get(at)?.upgrade());
        tenants.collect()
    }

    // A tenant takes this lock when it is dropped, so none is dropped under it.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn find(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.tenants.get(*self.places.get(id)?)?.upgrade()
    }
}

/// What all of them hold.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    bytes: AtomicU64,
    entries: AtomicU64,
}

impl Ledger {
    pub(crate) fn hold(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.entries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn release(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.entries.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }
}
