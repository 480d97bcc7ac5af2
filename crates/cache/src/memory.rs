use std::fmt;
use std::hash::RandomState;
use std::sync::Arc;

use moka::sync::Cache;

use crate::entry::Slot;
use crate::key::{Place, PlaceRef};

/// What keeps the entries of all caches, and drops some of them when they are too many bytes.
///
/// It knows nothing of time: an entry is too old when whoever finds it says so. Nor does it tell
/// when it drops one: entries notice that themselves.
pub(crate) struct Memory {
    entries: Cache<Place, Arc<dyn Slot>, RandomState>,
}

impl Memory {
    pub(crate) fn of(bytes: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(bytes)
            .weigher(|_, slot: &Arc<dyn Slot>| slot.meta().bytes())
            .build_with_hasher(RandomState::new());
        Self { entries }
    }

    #[inline]
    pub(crate) fn find(&self, place: PlaceRef<'_>) -> Option<Arc<dyn Slot>> {
        self.entries.get(&place)
    }

    /// As [`find`](Self::find), where nobody asked for what is not there: that must not count as
    /// interest in it, by which memory chooses what to keep.
    pub(crate) fn find_known(&self, place: PlaceRef<'_>) -> Option<Arc<dyn Slot>> {
        self.entries
            .contains_key(&place)
            .then(|| self.find(place))?
    }

    pub(crate) fn insert(&self, place: Place, slot: Arc<dyn Slot>) {
        self.entries.insert(place, slot);
    }

    pub(crate) fn remove(&self, place: PlaceRef<'_>) {
        if let Some(removed) = self.entries.remove(&place) {
            removed.meta().release();
        }
    }

    /// Removes this entry and hardly ever another.
    pub(crate) fn remove_this(&self, place: PlaceRef<'_>, slot: &Arc<dyn Slot>) {
        if let Some(found) = self.find_known(place) {
            if Arc::ptr_eq(&found, slot) {
                self.remove(place);
            }
        }
    }

    /// Does what has been put off; that is otherwise done by later calls, if there are any.
    pub(crate) fn tidy(&self) {
        self.entries.run_pending_tasks();
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("bytes", &self.entries.weighted_size())
            .finish_non_exhaustive()
    }
}
