use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::Error;
use crate::entry::Entry;
use crate::key::Place;

const SHARDS: usize = 16;

/// The loads of one cache that are under way, at most one for each key that anybody may join.
///
/// There are no more of them than slots for loaders, and places in the queue for these.
#[derive(Debug)]
pub(crate) struct Flights<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    hasher: RandomState,
}

#[derive(Debug)]
struct Shard<V>(HashMap<Place, Arc<Flight<V>>>);

/// One load.
#[derive(Debug)]
pub(crate) struct Flight<V> {
    /// Invalidations of its tenant that it knows of.
    since: u64,
    /// By the hub's clock.
    begun: u64,
    landed: watch::Sender<Option<Landed<V>>>,
}

/// How a load ended.
#[derive(Debug)]
pub(crate) enum Landed<V> {
    Found(Arc<Entry<V>>),
    /// Another instance has loaded it.
    Elsewhere(Arc<Entry<V>>),
    /// It failed, and this is what another instance once loaded.
    Late(Arc<Entry<V>>, Error),
    Absent,
    Failed(Error),
}

/// A place in a load.
#[derive(Debug)]
pub(crate) struct Seat<V> {
    pub(crate) landed: watch::Receiver<Option<Landed<V>>>,
    /// Whoever opened it has to see to it that it lands.
    pub(crate) opened: Option<Arc<Flight<V>>>,
}

impl<V> Flights<V> {
    /// Joins the load of this key or opens one. A load that began before an invalidation is
    /// left to those who wait for it.
    pub(crate) fn board(&self, place: &Place, since: u64, begun: u64) -> Seat<V> {
        let mut shard = self.shard(place);
        if let Some(flight) = shard.0.get(place).filter(|flight| flight.since == since) {
            let landed = flight.landed.subscribe();
            return Seat {
                landed,
                opened: None,
            };
        }
        let (sender, landed) = watch::channel(None);
        let flight = Arc::new(Flight {
            since,
            begun,
            landed: sender,
        });
        let overtaken = shard.0.insert(place.clone(), Arc::clone(&flight));
        drop(shard);
        drop(overtaken);
        let opened = Some(flight);
        Seat { landed, opened }
    }

    /// Nobody can join the load of this key any more, and what it finds is not stored.
    pub(crate) fn detach(&self, place: &Place) {
        // Dropped after the lock: with it may go a value, which is a user's.
        let _detached = self.shard(place).0.remove(place);
    }

    pub(crate) fn is_attached(&self, place: &Place, flight: &Arc<Flight<V>>) -> bool {
        is(self.shard(place).0.get(place), flight)
    }

    /// Ends a load; `store` is called in the same instant, unless it was detached before.
    pub(crate) fn land(
        &self,
        place: &Place,
        flight: &Arc<Flight<V>>,
        store: impl FnOnce(),
    ) -> bool {
        let mut shard = self.shard(place);
        let attached = is(shard.0.get(place), flight);
        if attached {
            store();
            shard.0.remove(place);
            if shard.0.is_empty() {
                shard.0.shrink_to(64);
            }
        }
        attached
    }

    fn shard(&self, place: &Place) -> MutexGuard<'_, Shard<V>> {
        let at = self.hasher.hash_one(place) as usize % SHARDS;
        let [first, ..] = &self.shards;
        let shard = self.shards.get(at).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is<V>(found: Option<&Arc<Flight<V>>>, flight: &Arc<Flight<V>>) -> bool {
    found.is_some_and(|found| Arc::ptr_eq(found, flight))
}

impl<V> Flight<V> {
    pub(crate) fn since(&self) -> u64 {
        self.since
    }

    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }

    pub(crate) fn tell(&self, landed: Landed<V>) {
        self.landed.send_replace(Some(landed));
    }
}

impl<V> Default for Flights<V> {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard(HashMap::new()))),
            hasher: RandomState::new(),
        }
    }
}

impl<V> Clone for Landed<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Found(entry) => Self::Found(Arc::clone(entry)),
            Self::Elsewhere(entry) => Self::Elsewhere(Arc::clone(entry)),
            Self::Late(entry, error) => Self::Late(Arc::clone(entry), error.clone()),
            Self::Absent => Self::Absent,
            Self::Failed(error) => Self::Failed(error.clone()),
        }
    }
}
