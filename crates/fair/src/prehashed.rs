use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use towerblock_core::TenantId;

/// By tenant, whose hash is computed already, and keyed per process.
pub(crate) type ByTenant<V> = HashMap<TenantId, V, BuildHasherDefault<Prehashed>>;

/// Takes the one number that a [`TenantId`] writes as it is.
#[derive(Debug, Default)]
pub(crate) struct Prehashed(u64);

impl Hasher for Prehashed {
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

/// Room for so many tenants is kept while there are fewer.
const KEPT: usize = 1_024;

/// Memory follows load: a map keeps the room of its fullest hour. Halving what is hardly used
/// costs each removal the same, however many there were.
pub(crate) fn shrink<V>(map: &mut ByTenant<V>) {
    if map.capacity() > KEPT && map.len() < map.capacity() / 8 {
        map.shrink_to((map.capacity() / 2).min(map.len() * 4).max(KEPT / 2));
    }
}
