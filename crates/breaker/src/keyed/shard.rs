use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashTable;

use crate::switch::Switch;
use crate::{Policy, State};

/// How many entries each visit looks at, to see whether they are still needed.
const SWEPT: usize = 2;

/// The circuits of those keys that something has failed for.
#[derive(Debug)]
pub(crate) struct Shard<K> {
    places: HashTable<usize>,
    entries: Vec<Entry<K>>,
    hand: usize,
}

#[derive(Debug)]
struct Entry<K> {
    key: K,
    hash: u64,
    child: Arc<Child>,
}

/// The circuit of one key.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) switch: Switch,
    /// When somebody last asked for it.
    pub(crate) seen: AtomicU64,
}

impl Child {
    /// Whether nobody would notice if it were made anew. Whatever is open, forced or half full
    /// of failures stays, or a flood of other keys would set it free.
    fn is_idle(&self, policy: &Policy, now: u64, forget: u64) -> bool {
        let quiet = || {
            let since = now.saturating_sub(self.seen.load(Ordering::Relaxed));
            let open = self.switch.refuses(policy, now).is_some();
            since >= forget && !open && self.switch.word().state() != State::ForcedClosed
        };
        self.switch.is_as_new(policy, now) || quiet()
    }
}

/// By what entries are judged.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) now: u64,
    pub(crate) forget: u64,
}

impl<K> Default for Shard<K> {
    fn default() -> Self {
        Self {
            places: HashTable::new(),
            entries: Vec::new(),
            hand: 0,
        }
    }
}

impl<K> Shard<K> {
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.entries.capacity()
    }

    /// What the circuits do that are there.
    pub(crate) fn states(&self) -> impl Iterator<Item = State> {
        self.entries.iter().map(|it| it.child.switch.word().state())
    }
}

impl<K: Eq> Shard<K> {
    pub(crate) fn find(&self, hash: u64, key: &K, now: u64) -> Option<Arc<Child>> {
        let is_it = |place: &usize| self.entries.get(*place).is_some_and(|it| it.key == *key);
        let place = self.places.find(hash, is_it)?;
        let child = &self.entries.get(*place)?.child;
        child.seen.store(now, Ordering::Relaxed);
        Some(Arc::clone(child))
    }

    /// Makes an entry, where there is room for one.
    pub(crate) fn insert(
        &mut self,
        hash: u64,
        key: K,
        seed: u64,
        room: usize,
        rules: Rules<'_>,
    ) -> Option<Arc<Child>> {
        // What was swept has made room; a full shard of busy entries has none.
        if self.entries.len() >= room {
            return None;
        }
        let child = Arc::new(Child {
            switch: Switch::new(rules.policy, seed),
            seen: AtomicU64::new(rules.now),
        });
        let (place, entries) = (self.entries.len(), &self.entries);
        let hash_of = |place: &usize| entries.get(*place).map_or(0, |it| it.hash);
        self.places.insert_unique(hash, place, hash_of);
        self.entries.push(Entry {
            key,
            hash,
            child: Arc::clone(&child),
        });
        Some(child)
    }

    /// Looks at the next few entries and drops those that are idle; how many those were.
    pub(crate) fn sweep(&mut self, rules: Rules<'_>) -> usize {
        let before = self.entries.len();
        for _ in 0..SWEPT.min(before) {
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            if !self.drop_if_idle(self.hand, rules) {
                self.hand += 1;
            }
        }
        before - self.entries.len()
    }

    /// Drops that key's entry, should it be idle; how many those were.
    pub(crate) fn forget(&mut self, hash: u64, key: &K, rules: Rules<'_>) -> usize {
        let entries = &self.entries;
        let is_it = |place: &usize| entries.get(*place).is_some_and(|it| it.key == *key);
        let place = self.places.find(hash, is_it).copied();
        usize::from(place.is_some_and(|place| self.drop_if_idle(place, rules)))
    }

    fn drop_if_idle(&mut self, place: usize, rules: Rules<'_>) -> bool {
        let idle = self.entries.get(place).is_some_and(|entry| {
            // Nobody else has it: a permit would report to a circuit that no longer counts.
            Arc::strong_count(&entry.child) == 1
                && entry.child.is_idle(rules.policy, rules.now, rules.forget)
        });
        if !idle {
            return false;
        }
        let entry = self.entries.swap_remove(place);
        if let Ok(found) = self.places.find_entry(entry.hash, |it| *it == place) {
            found.remove();
        }
        // The last one stands in its place now.
        let moved = self.entries.len();
        let last = self.entries.get(place).map(|last| last.hash);
        let found = last.and_then(|hash| self.places.find_mut(hash, |it| *it == moved));
        if let Some(found) = found {
            *found = place;
        }
        self.shrink();
        true
    }

    /// Memory follows what there is, not what there was in the worst hour.
    fn shrink(&mut self) {
        const KEPT: usize = 64;
        let len = self.entries.len();
        if self.entries.capacity() > KEPT.max(4 * len) {
            let room = KEPT.max(2 * len);
            self.entries.shrink_to(room);
            let entries = &self.entries;
            let hash_of = |place: &usize| entries.get(*place).map_or(0, |it| it.hash);
            self.places.shrink_to(room, hash_of);
        }
    }
}
