use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher};

use hashbrown::HashTable;
use towerblock_core::TenantId;

use crate::arena::Arena;

/// Room for so many tenants is kept while there are fewer.
const KEPT: usize = 1_024;

/// What is known of a tenant.
pub(crate) trait Named {
    fn tenant(&self) -> &TenantId;
}

/// What is known of each tenant, by a key or by its name, which stands in one place only: a
/// tenant that comes for a single slot is entered and taken out each time.
#[derive(Debug)]
pub(crate) struct Known<T> {
    keys: HashTable<usize>,
    pub(crate) arena: Arena<T>,
}

impl<T: Named> Known<T> {
    pub(crate) fn find(&self, tenant: &TenantId) -> Option<usize> {
        let is_it = |key: &usize| self.arena.at(*key).tenant() == tenant;
        self.keys.find(hash(tenant), is_it).copied()
    }

    /// Enters a tenant that is not there.
    pub(crate) fn add(&mut self, known: T) -> usize {
        let hash = hash(known.tenant());
        let key = self.arena.insert(known);
        let rehash = rehash(&self.arena);
        self.keys.insert_unique(hash, key, rehash);
        key
    }

    pub(crate) fn remove(&mut self, key: usize) -> T {
        let found = self
            .keys
            .find_entry(hash(self.arena.at(key).tenant()), |other| *other == key);
        if let Ok(entry) = found {
            entry.remove();
        }
        let gone = self.arena.remove(key);
        self.shrink();
        gone
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

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self {
            keys: HashTable::new(),
            arena: Arena::default(),
        }
    }
}

fn rehash<T: Named>(arena: &Arena<T>) -> impl Fn(&usize) -> u64 {
    |key| hash(arena.at(*key).tenant())
}

/// The hash that the tenant brings along, which is keyed per process.
pub(crate) fn hash(tenant: &TenantId) -> u64 {
    BuildHasherDefault::<Brought>::default().hash_one(tenant)
}

#[derive(Default)]
struct Brought(u64);

impl Hasher for Brought {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
