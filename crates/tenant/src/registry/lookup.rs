//! What is known of names, and the questions about them that are open.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::watch;
use tokio::time::Instant;

use super::freshness::{Entry, Freshness, Lifetimes, Patience, RETRY_AFTER};
use super::slots::{Slot, Slots};

/// moka refuses a thousand years; a year is as good as for ever.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How many names are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) known: u64,
    /// Apart from the others: names that clients make up push out no tenant.
    pub(super) unknown: u64,
}

/// Names of one kind, and the values that the store has for them.
pub(super) struct Lookups<V> {
    lifetimes: Lifetimes,
    // Their own expiry only frees memory; what counts is the time in each entry, which
    // tests can pause.
    known: Cache<Arc<str>, Entry<V>>,
    missing: Cache<Arc<str>, Missing>,
    flights: Mutex<Flights<V>>,
}

/// Why a name is not known.
#[derive(Clone, Copy, Debug)]
enum Missing {
    /// The store said so, then.
    Unknown(Instant),
    /// The store failed, then.
    Failed(Instant),
}

/// Questions that are open; as many at most as there are slots.
struct Flights<V> {
    next: u64,
    open: HashMap<Arc<str>, Flight<V>>,
}

struct Flight<V> {
    number: u64,
    landed: Flown<V>,
}

/// Where the outcome of a question shows, once there is one.
pub(super) type Flown<V> = watch::Receiver<Option<Outcome<V>>>;

/// A question that is open, and for whoever opened it the duty to ask.
pub(super) struct Asked<V: Send + Sync + 'static> {
    pub(super) landed: Flown<V>,
    pub(super) duty: Option<Landing<V>>,
}

/// No slot is free for another question.
#[derive(Debug)]
pub(super) struct Full;

/// How a question ended.
#[derive(Debug)]
pub(super) enum Outcome<V> {
    Found(Arc<V>),
    Unknown,
    Failed,
}

/// What is known of a name without asking.
#[derive(Debug)]
pub(super) enum Look<V> {
    Fresh(Arc<V>),
    /// To be served, and asked for meanwhile.
    Aging(Arc<V>),
    /// To be served though it is old, for the store failed just now; asked for meanwhile or
    /// not.
    Stale(Arc<V>, bool),
    /// To be asked for; served only if that fails.
    Expired(Arc<V>, Patience),
    /// The store said that there is none.
    Unknown,
    /// The store failed just now.
    Failed,
    Absent,
}

impl<V: Send + Sync + 'static> Lookups<V> {
    pub(super) fn new(room: Room, lifetimes: Lifetimes) -> Self {
        let kept = lifetimes.ttl.saturating_add(lifetimes.max_stale);
        let known = Cache::builder()
            .max_capacity(room.known)
            .time_to_live(kept.min(LONGEST));
        let missing = Cache::builder()
            .max_capacity(room.unknown)
            .time_to_live(lifetimes.unknown.max(RETRY_AFTER).min(LONGEST));
        let open = HashMap::new();
        Self {
            lifetimes,
            known: known.build(),
            missing: missing.build(),
            flights: Mutex::new(Flights { next: 0, open }),
        }
    }

    pub(super) fn look(&self, name: &str, now: Instant) -> Look<V> {
        if let Some(entry) = self.known.get(name) {
            match entry.freshness(now, self.lifetimes) {
                Freshness::Fresh => return Look::Fresh(entry.value),
                Freshness::Aging => return Look::Aging(entry.value),
                Freshness::Stale { ask } => return Look::Stale(entry.value, ask),
                Freshness::Expired { patience } => return Look::Expired(entry.value, patience),
                Freshness::Gone => {}
            }
        }
        let since = |then| now.saturating_duration_since(then);
        match self.missing.get(name) {
            Some(Missing::Unknown(told)) if since(told) < self.lifetimes.unknown => Look::Unknown,
            Some(Missing::Failed(failed)) if since(failed) < RETRY_AFTER => Look::Failed,
            _ => Look::Absent,
        }
    }

    /// Joins the question that is open for `name`, or opens one if there is a free slot.
    pub(super) fn join_or_open(
        self: &Arc<Self>,
        name: &str,
        slots: &Slots,
    ) -> Result<Asked<V>, Full> {
        let mut flights = self.flights();
        if let Some(flight) = flights.open.get(name) {
            let landed = flight.landed.clone();
            return Ok(Asked { landed, duty: None });
        }
        let slot = slots.take(self.known.contains_key(name)).ok_or(Full)?;
        let name: Arc<str> = name.into();
        let (sender, landed) = watch::channel(None);
        let number = flights.next;
        flights.next += 1;
        let flight = Flight {
            number,
            landed: landed.clone(),
        };
        flights.open.insert(Arc::clone(&name), flight);
        let landing = Landing {
            lookups: Arc::clone(self),
            name,
            number,
            sender,
            outcome: Outcome::Failed,
            _slot: slot,
        };
        let duty = Some(landing);
        Ok(Asked { landed, duty })
    }

    /// Forgets all of `name`. The answer to a question that is open comes too late: it was
    /// perhaps given before what made somebody call this.
    pub(super) fn forget(&self, name: &str) {
        let mut flights = self.flights();
        flights.open.remove(name);
        self.known.invalidate(name);
        self.missing.invalidate(name);
    }

    /// How many names are known, and how many are known not to be.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.known.entry_count(), self.missing.entry_count())
    }

    fn keep(&self, name: &Arc<str>, outcome: &Outcome<V>, now: Instant) {
        match outcome {
            Outcome::Found(value) => {
                let entry = Entry::new(Arc::clone(value), now);
                self.known.insert(Arc::clone(name), entry);
            }
            Outcome::Unknown => {
                self.known.invalidate(name);
                self.missing.insert(Arc::clone(name), Missing::Unknown(now));
            }
            Outcome::Failed => match self.known.get(name) {
                Some(entry) => self
                    .known
                    .insert(Arc::clone(name), entry.after_failure(now)),
                None => self.missing.insert(Arc::clone(name), Missing::Failed(now)),
            },
        }
    }

    fn flights(&self) -> MutexGuard<'_, Flights<V>> {
        // No user code runs under this lock, so what it guards is always whole.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to answer one question; dropped without an answer, it has failed. The bounds are
/// those of its `Drop`.
pub(super) struct Landing<V: Send + Sync + 'static> {
    lookups: Arc<Lookups<V>>,
    name: Arc<str>,
    number: u64,
    sender: watch::Sender<Option<Outcome<V>>>,
    outcome: Outcome<V>,
    _slot: Slot,
}

impl<V: Send + Sync + 'static> Landing<V> {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Keeps the outcome, unless the name was forgotten meanwhile, and tells all who wait.
    pub(super) fn land(mut self, outcome: Outcome<V>) {
        self.outcome = outcome;
    }

    /// The lock, as long as this is still the question that counts. It is held while the
    /// answer is kept, or a name that is forgotten at that moment would come back.
    fn is_open(&self) -> Option<MutexGuard<'_, Flights<V>>> {
        let flights = self.lookups.flights();
        let flight = flights.open.get(&self.name);
        let is_ours = flight.is_some_and(|flight| flight.number == self.number);
        is_ours.then_some(flights)
    }
}

impl<V: Send + Sync + 'static> Drop for Landing<V> {
    fn drop(&mut self) {
        if let Some(mut flights) = self.is_open() {
            self.lookups.keep(&self.name, &self.outcome, Instant::now());
            flights.open.remove(&self.name);
        }
        self.sender.send_replace(Some(self.outcome.clone()));
    }
}

impl<V> Clone for Outcome<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Found(value) => Self::Found(Arc::clone(value)),
            Self::Unknown => Self::Unknown,
            Self::Failed => Self::Failed,
        }
    }
}

impl<V> fmt::Debug for Lookups<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups")
            .field("lifetimes", &self.lifetimes)
            .finish_non_exhaustive()
    }
}
