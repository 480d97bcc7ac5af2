use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;
use towerblock_core::TenantId;

use crate::board::slot::{Common, Slot};

const SHARDS: usize = 64;

/// The slots of those who ask, so many at most. When a shard of it is full, whoever asks next
/// takes the place of whoever asked for least lately, and is taken to have asked for as much
/// (Space-Saving): nobody who asks for more than the shard's requests divided by its
/// places is ever forgotten.
#[derive(Debug)]
pub(crate) struct Tracked {
    shards: Vec<Mutex<HashTable<Arc<Slot>>>>,
    room: usize,
    common: Arc<Common>,
    /// Of those there is no place for.
    others: Arc<Slot>,
}

impl Tracked {
    pub(crate) fn new(room: NonZeroUsize, common: &Arc<Common>) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            room: room.get().div_ceil(SHARDS),
            common: Arc::clone(common),
            others: Arc::new(Slot::new(None, 0, common)),
        }
    }

    #[inline]
    pub(crate) fn slot(&self, tenant: &TenantId) -> Arc<Slot> {
        let hash = tenant.hash_code();
        let Some(mut shard) = self.shard(hash) else {
            return Arc::clone(&self.others);
        };
        match shard.find(hash, |slot| slot.is(tenant)) {
            Some(slot) => Arc::clone(slot),
            None => self.enter(&mut shard, hash, tenant),
        }
    }

    #[cold]
    fn enter(&self, shard: &mut HashTable<Arc<Slot>>, hash: u64, tenant: &TenantId) -> Arc<Slot> {
        let mut weight = 0;
        if shard.len() >= self.room {
            // Requests that still hold the slot count into the rest, as it is not shown.
            let Some(least) = forget_least(shard) else {
                return Arc::clone(&self.others);
            };
            weight = least;
        }
        let slot = Arc::new(Slot::new(Some(tenant.clone()), weight, &self.common));
        shard.insert_unique(hash, Arc::clone(&slot), hash_of);
        slot
    }

    pub(crate) fn find(&self, tenant: &TenantId) -> Option<Arc<Slot>> {
        let hash = tenant.hash_code();
        let shard = self.shard(hash)?;
        shard.find(hash, |slot| slot.is(tenant)).cloned()
    }

    /// Keeps it from being forgotten, unless that has already happened.
    pub(crate) fn keep(&self, slot: &Arc<Slot>) -> bool {
        let hash = hash_of(slot);
        let Some(shard) = self.shard(hash) else {
            return false;
        };
        let kept = shard.find(hash, |other| Arc::ptr_eq(other, slot)).is_some();
        if kept {
            slot.set_shown(true);
        }
        kept
    }

    pub(crate) fn all(&self) -> Vec<Arc<Slot>> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(lock(shard).iter().cloned());
        }
        all
    }

    fn shard(&self, hash: u64) -> Option<MutexGuard<'_, HashTable<Arc<Slot>>>> {
        // The table places by the lowest bits and compares the highest.
        let shard = self.shards.get((hash >> 32) as usize % SHARDS);
        shard.map(lock)
    }
}

/// Takes out whoever asked for least, and returns how much that was. `None`: all are shown.
fn forget_least(shard: &mut HashTable<Arc<Slot>>) -> Option<u64> {
    let slots = shard.iter().filter(|slot| !slot.is_shown());
    let (weight, least) = slots
        .map(|slot| (slot.weight(), slot))
        .min_by_key(|(weight, _)| *weight)?;
    let least = Arc::clone(least);
    let found = shard.find_entry(hash_of(&least), |slot| Arc::ptr_eq(slot, &least));
    found.ok()?.remove();
    Some(weight)
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hash_of(slot: &Arc<Slot>) -> u64 {
    slot.tenant.as_ref().map_or(0, TenantId::hash_code)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use tokio::time::Instant;
    use towerblock_core::TenantId;

    use super::{SHARDS, Tracked};
    use crate::board::ledger::Rest;
    use crate::board::refusals::Refusals;
    use crate::board::slot::{Common, Outcome, Slot};

    fn tracked(each: usize) -> Tracked {
        let common = Arc::new(Common {
            rest: Rest::default(),
            refusals: Refusals::default(),
            made: Instant::now(),
        });
        Tracked::new(NonZeroUsize::new(SHARDS * each).unwrap(), &common)
    }

    fn ask(tracked: &Tracked, tenant: &TenantId) -> Arc<Slot> {
        let (slot, now) = (tracked.slot(tenant), Instant::now());
        slot.record(Outcome::Served, now, now);
        slot
    }

    /// All in the shard of `tenant`.
    fn neighbours(tenant: &TenantId) -> impl Iterator<Item = TenantId> {
        let shard = |tenant: &TenantId| (tenant.hash_code() >> 32) as usize % SHARDS;
        let own = shard(tenant);
        let names = (0..).map(|nth| TenantId::new(format!("t{nth}")).unwrap());
        names.filter(move |name| shard(name) == own)
    }

    #[test]
    fn who_asks_for_more_than_a_place_is_worth_is_never_forgotten() {
        let (tracked, real) = (tracked(10), TenantId::new("real").unwrap());
        let mut made_up = neighbours(&real);
        // Those who were there before had asked for much.
        for stranger in made_up.by_ref().take(10) {
            (0..50).for_each(|_| drop(ask(&tracked, &stranger)));
        }
        let mut last = ask(&tracked, &real);
        for round in 1..500 {
            // One of eight, where there are ten places: from round 250 on more than a tenth
            // of all.
            for stranger in made_up.by_ref().take(7) {
                ask(&tracked, &stranger);
            }
            let now = ask(&tracked, &real);
            assert!(round < 250 || Arc::ptr_eq(&last, &now), "round {round}");
            last = now;
        }
        assert_eq!(tracked.all().len(), 10);
    }

    #[test]
    fn who_is_shown_is_not_forgotten_and_where_all_are_there_is_no_place() {
        let (tracked, real) = (tracked(1), TenantId::new("real").unwrap());
        let slot = ask(&tracked, &real);
        assert!(tracked.keep(&slot));
        let stranger = neighbours(&real).next().unwrap();
        assert_eq!(ask(&tracked, &stranger).tenant, None);
        slot.set_shown(false);
        assert_eq!(ask(&tracked, &stranger).tenant, Some(stranger));
        assert!(!tracked.keep(&slot), "it has been forgotten");
    }
}
