use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::level::{Fill, Lease, Level, Right, Stored, Target};
use super::owed::Owed;
use super::payload;
use super::settings::Remote;
use crate::counters::Remotely;
use crate::forget::Forget;
use crate::spot::{Found, Lasts, Sought, Spot};
use crate::{Cacheable, Loaded};

/// So long is a lease at least: who loads for longer may find that somebody else has filled.
const LEASE: Duration = Duration::from_secs(5);
/// How often whoever waits for another instance looks whether it is done.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Leave to store what is loaded now.
pub(crate) type Leave = Lease;
/// What is stored.
pub(crate) type Parcel = Fill;

/// The level beyond memory, as far as it can be relied on.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) level: Level,
    pub(crate) settings: Remote,
    /// Whether it may be read: nothing that should be forgotten is left there by this instance.
    reads: AtomicBool,
    owed: Mutex<Owed>,
    /// Rings when there is something that it has to be told.
    pub(crate) owes: Notify,
    doubt: Mutex<Option<Doubt>>,
    pub(crate) counters: Arc<Remotely>,
}

/// What was stored before this, in µs by the server's clock, is not read until then: somebody
/// else may have yet to say that it is to be forgotten.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    made_before: u64,
    until: Instant,
}

impl Link {
    pub(crate) fn new(settings: Remote, counters: Arc<Remotely>) -> Self {
        let level = Level::new(settings.redis.clone(), &settings.namespace);
        Self {
            level,
            settings,
            reads: AtomicBool::new(false),
            owed: Mutex::default(),
            owes: Notify::new(),
            doubt: Mutex::default(),
            counters,
        }
    }

    /// For how many milliseconds memory may be ahead of what it was not told.
    pub(crate) fn memory_ttl(&self) -> u64 {
        crate::clock::millis(self.settings.memory_ttl)
    }

    /// What there is, and leave to fill it if it is not fresh. Whoever else is loading it is
    /// waited for, up to `patience`.
    ///
    /// Cancel safety: a lease that nobody uses ends by itself.
    pub(crate) async fn seek<V: Cacheable>(&self, spot: &Spot, patience: Duration) -> Sought<V> {
        let deadline = Instant::now() + patience;
        loop {
            if !self.is_readable() {
                return Sought {
                    found: None,
                    leave: None,
                };
            }
            let Ok(answer) = self.level.read(target(spot), LEASE).await else {
                self.counters.errors.add();
                return Sought {
                    found: None,
                    leave: None,
                };
            };
            let found = answer.stored.and_then(|stored| self.judge(stored));
            let leave = match answer.right {
                Right::Lease(lease) => Some(lease),
                Right::Wait(left) => {
                    let now = Instant::now();
                    if now < deadline && found.is_none() {
                        // Cancel safety: nothing is held here.
                        sleep(LOOK_AGAIN.min(left).min(deadline - now)).await;
                        continue;
                    }
                    None
                }
                Right::None => None,
            };
            // Whether it was told to forget something meanwhile is for its generation to say.
            return Sought { found, leave };
        }
    }

    fn judge<V: Cacheable>(&self, stored: Stored) -> Option<Found<V>> {
        if self.doubts(stored.made) {
            return None;
        }
        let Some(value) = payload::decode(&stored.payload) else {
            self.counters.damaged.add();
            return None;
        };
        let fresh_for = u64::try_from(stored.fresh_for).ok()?;
        // With a clock that was set back its age is anything.
        let age = u64::try_from(stored.age).unwrap_or(fresh_for);
        if age < fresh_for {
            self.counters.hits.add();
        }
        Some(Found {
            loaded: Loaded {
                value,
                ttl: None,
                tags: stored.tags,
            },
            age,
            fresh_for,
        })
    }

    /// What is stored of a value, unless it is too much.
    pub(crate) fn payload<V: Cacheable>(&self, loaded: &Loaded<V>, lasts: Lasts) -> Option<Parcel> {
        let payload = payload::encode(loaded.value.as_ref()).ok()?;
        if payload.len() > self.settings.max_value || lasts.fresh_for == 0 {
            return None;
        }
        Some(Fill {
            payload,
            fresh_for: lasts.fresh_for,
            keep_for: lasts.fresh_for.saturating_add(lasts.dies_after),
            tags: loaded.tags.iter().map(|tag| tag.as_str().into()).collect(),
        })
    }

    pub(crate) async fn fill(&self, spot: &Spot, leave: &Leave, parcel: Parcel) {
        match self.level.fill(target(spot), leave, parcel).await {
            Ok(true) => self.counters.fills.add(),
            Ok(false) => self.counters.overtaken.add(),
            Err(_) => self.counters.errors.add(),
        }
    }

    /// Stores what is known, and has the others forget what they have. Whether they were told.
    pub(crate) async fn replace(&self, spot: &Spot, parcel: Option<Parcel>) -> bool {
        if !self.forget(&spot.forget()).await {
            return false;
        }
        let Some(parcel) = parcel else { return true };
        match self.level.take(target(spot), LEASE).await {
            Ok(lease) => self.fill(spot, &lease, parcel).await,
            Err(_) => self.counters.errors.add(),
        }
        true
    }

    /// Deletes what is to be forgotten, and has the others forget it. Whether that was done: if
    /// not, nothing is read there before it is.
    ///
    /// Cancel safety: to be run to its end, in a task.
    pub(crate) async fn forget(&self, forget: &Forget) -> bool {
        if self.is_readable() && self.level.forget(forget).await.is_ok() {
            return true;
        }
        self.counters.queued.add();
        self.owed().push(forget.clone());
        self.close();
        self.owes.notify_one();
        false
    }

    /// Says all that could not be said; whether that is all.
    pub(crate) async fn settle(&self) -> bool {
        let mut owed = self.owed().take().into_iter();
        while let Some(forget) = owed.next() {
            if self.level.forget(&forget).await.is_err() {
                let mut kept = self.owed();
                kept.push(forget);
                owed.for_each(|forget| kept.push(forget));
                return false;
            }
        }
        true
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.reads.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) {
        self.reads.store(false, Ordering::Release);
    }

    /// May be read, if nothing is owed; whether it is.
    pub(crate) fn open(&self) -> bool {
        // Under the lock: whoever owes something closes after they have noted it.
        let owed = self.owed();
        let settled = owed.is_empty();
        if settled {
            self.reads.store(true, Ordering::Release);
        }
        settled
    }

    /// What was made before is not read for a while.
    pub(crate) fn doubt(&self, made_before: u64, until: Instant) {
        *self.doubt.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Doubt { made_before, until });
    }

    fn doubts(&self, made: u64) -> bool {
        let mut doubt = self.doubt.lock().unwrap_or_else(PoisonError::into_inner);
        if doubt.is_some_and(|doubt| Instant::now() >= doubt.until) {
            *doubt = None;
        }
        doubt.is_some_and(|doubt| made < doubt.made_before)
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn target(spot: &Spot) -> Target<'_> {
    Target {
        scope: &spot.scope,
        cache: &spot.cache,
        key: &spot.key,
        field: &spot.field,
    }
}
