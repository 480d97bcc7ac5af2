use hashbrown::HashTable;
use towerblock_core::TenantId;

use crate::arena::Arena;
use crate::list::{Linked, List};

/// Room for so many tenants is kept while there are fewer.
const KEPT: usize = 1_024;
/// So many that are idle are known still: most of those that come have just been here.
const RESTING: usize = 64;

/// What is known of a tenant; idle ones are linked to each other.
pub(crate) trait Known: Linked {
    fn tenant(&self) -> &TenantId;

    /// Whether it may be forgotten.
    fn is_idle(&self) -> bool;
}

/// What is known of each tenant, by a key or by its name, which stands in one place only.
///
/// Each change of one is made between [`rouse`](Self::rouse), or [`add`](Self::add), and
/// [`rest`](Self::rest).
#[derive(Debug)]
pub(crate) struct Tenants<T> {
    keys: HashTable<usize>,
    pub(crate) arena: Arena<T>,
    /// The idle ones, that which came to rest last at the back.
    resting: List,
}

impl<T: Known> Tenants<T> {
    pub(crate) fn find(&self, tenant: &TenantId) -> Option<usize> {
        let is_it = |key: &usize| self.arena.at(*key).tenant() == tenant;
        self.keys.find(tenant.hash_code(), is_it).copied()
    }

    /// Enters a tenant that is not there.
    pub(crate) fn add(&mut self, known: T) -> usize {
        let hash = known.tenant().hash_code();
        let key = self.arena.insert(known);
        let rehash = rehash(&self.arena);
        self.keys.insert_unique(hash, key, rehash);
        key
    }

    pub(crate) fn rouse(&mut self, key: usize) {
        if self.arena.at(key).is_idle() {
            self.resting.remove(&mut self.arena, key);
        }
    }

    /// Forgets those that have been idle for longest, if this one is idle now.
    pub(crate) fn rest(&mut self, key: usize) {
        if !self.arena.at(key).is_idle() {
            return;
        }
        self.resting.push_back(&mut self.arena, key);
        if let (true, Some(oldest)) = (self.resting.len() > RESTING, self.resting.front()) {
            self.resting.remove(&mut self.arena, oldest);
            self.forget(oldest);
        }
        // An arena becomes smaller only when it is empty.
        if self.resting.len() == self.arena.len() && self.arena.room() > KEPT {
            *self = Self::default();
        }
    }

    /// How many are not idle.
    pub(crate) fn active(&self) -> usize {
        self.arena.len() - self.resting.len()
    }

    fn forget(&mut self, key: usize) {
        let found = self
            .keys
            .find_entry(self.arena.at(key).tenant().hash_code(), |other| {
                *other == key
            });
        if let Ok(entry) = found {
            entry.remove();
        }
        self.arena.remove(key);
        self.shrink();
    }

    /// Memory follows load: a table keeps the room of its fullest hour. Halving it when an
    /// eighth is used costs each removal the same, however many there were.
    fn shrink(&mut self) {
        let (room, used) = (self.keys.capacity(), self.keys.len());
        if room > KEPT && used < room / 8 {
            self.keys.shrink_to(room / 2, rehash(&self.arena));
        }
    }

    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.keys.capacity().max(self.arena.room())
    }
}

impl<T> Default for Tenants<T> {
    fn default() -> Self {
        Self {
            keys: HashTable::new(),
            arena: Arena::default(),
            resting: List::default(),
        }
    }
}

fn rehash<T: Known>(arena: &Arena<T>) -> impl Fn(&usize) -> u64 {
    |key| arena.at(*key).tenant().hash_code()
}
