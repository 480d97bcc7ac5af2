use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::shard::{Child, Rules, Shard};
use crate::{Policy, State};

/// So that two threads seldom meet, whichever keys they serve.
const SHARDS: usize = 16;

/// The keys that something has failed for, each with its circuit.
pub(crate) struct Suspects<K> {
    policy: Policy,
    pub(super) capacity: usize,
    pub(super) forget: u64,
    hasher: RandomState,
    shards: [Mutex<Shard<K>>; SHARDS],
    /// Entries in all shards.
    count: AtomicUsize,
}

impl<K> Suspects<K> {
    pub(super) fn new(policy: Policy, capacity: usize, forget: u64) -> Self {
        Self {
            policy,
            capacity,
            forget,
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            count: AtomicUsize::new(0),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard<K>> {
        let place = usize::try_from(hash >> 32).unwrap_or_default() % SHARDS;
        let shard = self.shards.get(place).unwrap_or(&self.shards[0]);
        locked(shard)
    }

    const fn rules(&self, now: u64) -> Rules<'_> {
        Rules {
            policy: &self.policy,
            now,
            forget: self.forget,
        }
    }

    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).room()).sum()
    }

    /// Circuits that are open or half-open.
    pub(super) fn open(&self) -> usize {
        let is_open = |state: &State| matches!(state, State::Open | State::HalfOpen);
        let shards = self.shards.iter().map(locked);
        shards
            .map(|shard| shard.states().filter(is_open).count())
            .sum()
    }
}

impl<K: Clone + Eq + Hash> Suspects<K> {
    pub(super) fn hash(&self, key: &K) -> u64 {
        self.hasher.hash_one(key)
    }

    pub(super) fn find(&self, key: &K, now: u64) -> Option<Arc<Child>> {
        let hash = self.hash(key);
        let mut shard = self.shard(hash);
        // Found first: what somebody asks for is not idle.
        let found = shard.find(hash, key, now);
        let swept = shard.sweep(self.rules(now));
        self.count.fetch_sub(swept, Ordering::Release);
        found
    }

    /// The circuit of a key that has failed, should there be room: a call that was let through
    /// before there was one belongs to its first generation.
    pub(super) fn remember(&self, key: &K, hash: u64, now: u64) -> Option<(Arc<Child>, u32)> {
        // Not under the lock: it is the user's code.
        let owned = key.clone();
        let mut shard = self.shard(hash);
        let found = shard.find(hash, key, now);
        let swept = shard.sweep(self.rules(now));
        self.count.fetch_sub(swept, Ordering::Release);
        let room = (self.capacity / SHARDS).max(1);
        let child = found.or_else(|| {
            let child = shard.insert(hash, owned, hash, room, self.rules(now));
            self.count
                .fetch_add(usize::from(child.is_some()), Ordering::Release);
            child
        });
        child.map(|child| (child, 0))
    }

    pub(super) fn forget(&self, key: &K, now: u64) {
        let hash = self.hash(key);
        let mut shard = self.shard(hash);
        let forgotten = shard.forget(hash, key, self.rules(now));
        self.count.fetch_sub(forgotten, Ordering::Release);
    }
}

fn locked<K>(shard: &Mutex<Shard<K>>) -> MutexGuard<'_, Shard<K>> {
    // What may panic under this lock is a key's `eq`, and that changes nothing.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
