use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::Rate;
use crate::state::Judged;

/// What this instance knows of what Redis has: leases, refusals, and who is asking. A table of
/// a fixed size; whoever has no place in it asks Redis each time.
pub(crate) struct Slots {
    buckets: Box<[Mutex<[Slot; WAYS]>]>,
}

const WAYS: usize = 8;
/// So long a lease may be spent, in nanoseconds: how much may be in one bounds what the fleet
/// admits too much, not how long. Whoever asks less often than that asks Redis each time.
const KEPT: u64 = 60_000_000_000;
/// A lease is for what is asked for in that time, in nanoseconds.
const AHEAD: u64 = 40_000_000_000;
/// And for no more than so many times the one before: two that come at once say little.
const GROWTH: u64 = 16;

/// Times are in nanoseconds since the limiter was made.
#[derive(Debug, Default)]
struct Slot {
    /// Zero where nobody is.
    key: u64,
    /// Under another rate nothing of the rest is true.
    rate: Option<Rate>,
    /// Units that were charged then, and are not spent.
    units: u64,
    granted: u64,
    /// Until then nobody else takes this place for want of another.
    firm_until: u64,
    /// Refused from so many units on, until then.
    refused: u64,
    refused_until: u64,
    /// What Redis had left, and when all is back.
    left: u64,
    back_at: u64,
    /// How much was asked for last, and how much next.
    given: u64,
    size: u64,
    /// Units of those who wait for the one who asks.
    waiting: u64,
    /// Somebody asks. Dropping it wakes who waits for that.
    flight: Option<watch::Sender<()>>,
}

/// What is known here of a level.
#[derive(Debug)]
pub(crate) enum Known {
    /// Spent, from what may be spent until then.
    Spent(Judged, u64),
    Refused(Judged),
    /// Somebody asks already.
    Asked(watch::Receiver<()>),
    /// To be asked for, up to so much; the second is to be asked by this caller alone.
    Unknown {
        most: u64,
        flight: bool,
    },
}

/// Whom a caller asks for what is not there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asks {
    Nobody,
    /// Redis, for all who need it, or whoever does so already.
    Together,
    /// Redis, for itself.
    Alone,
}

/// Who wants what, under which rate, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need<'a> {
    pub(crate) key: u64,
    pub(crate) rate: &'a Rate,
    pub(crate) cost: u64,
    /// The largest lease; zero where there are none.
    pub(crate) most: u64,
    pub(crate) now: u64,
}

/// What was charged, how long it is safe from others, and what Redis said of the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    pub(crate) taken: u64,
    pub(crate) lease: u64,
    pub(crate) left: u64,
    pub(crate) reset: u64,
}

impl Slots {
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        let buckets = capacity.get().div_ceil(WAYS);
        let bucket = || Mutex::default();
        let buckets = std::iter::repeat_with(bucket).take(buckets).collect();
        Self { buckets }
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.buckets)
    }

    /// Spends what is there, or says what to do.
    pub(crate) fn spend(&self, need: Need<'_>, asks: Asks) -> Known {
        let Need {
            cost, most, now, ..
        } = need;
        let mut bucket = self.lock(need.key);
        let Some(slot) = place(&mut bucket, &need) else {
            return Known::Unknown {
                most: cost,
                flight: false,
            };
        };
        if cost >= slot.refused && now < slot.refused_until {
            return Known::Refused(Judged::Blocked {
                wait: slot.refused_until - now,
            });
        }
        // There may be more instances than when it was charged.
        slot.units = slot.units.min(most);
        // Who only asks what is left is not told of long ago.
        let until = if cost > 0 {
            slot.until()
        } else {
            slot.firm_until
        };
        if cost <= slot.units && now < until {
            slot.units -= cost;
            let judged = Judged::Room {
                remaining: slot.left.saturating_add(slot.units),
                reset: slot.back_at.saturating_sub(now),
            };
            return Known::Spent(judged, slot.until());
        }
        if most == 0 || cost == 0 || asks == Asks::Nobody {
            return Known::Unknown {
                most: cost,
                flight: false,
            };
        }
        if slot.flight.is_some() && asks == Asks::Alone {
            return Known::Unknown {
                most: cost,
                flight: false,
            };
        }
        if let Some(flight) = &slot.flight {
            let asked = flight.subscribe();
            slot.waiting = slot.waiting.saturating_add(cost);
            return Known::Asked(asked);
        }
        slot.resize(now, most);
        let wanted = slot.size.max(slot.waiting).clamp(1, most).max(cost);
        slot.size = wanted.min(most);
        slot.waiting = 0;
        slot.flight = Some(watch::Sender::new(()));
        Known::Unknown {
            most: wanted,
            flight: true,
        }
    }

    /// What was spent for a request that was then refused, unless the lease is another by now.
    pub(crate) fn give_back(&self, key: u64, cost: u64, until: u64) {
        let mut bucket = self.lock(key);
        if let Some(slot) = find(&mut bucket, key).filter(|slot| slot.until() == until) {
            slot.units = slot.units.saturating_add(cost);
        }
    }

    /// Nobody asks any more.
    pub(crate) fn land(&self, key: u64) {
        let mut bucket = self.lock(key);
        let flight = find(&mut bucket, key).and_then(|slot| slot.flight.take());
        drop(bucket);
        drop(flight);
    }

    /// Redis charged this after `need.now`, and `need.cost` of it is spent.
    pub(crate) fn grant(&self, need: Need<'_>, grant: Grant) {
        let mut bucket = self.lock(need.key);
        let Some(slot) = place(&mut bucket, &need) else {
            return;
        };
        (slot.left, slot.back_at) = (grant.left, need.now.saturating_add(grant.reset));
        slot.refused_until = 0;
        if need.most > 0 {
            slot.units = grant.taken.saturating_sub(need.cost);
            // From before it was sent: it was charged later than that, by whatever clock.
            slot.granted = need.now;
            slot.firm_until = need.now.saturating_add(grant.lease);
            slot.given = grant.taken;
        }
    }

    /// Redis refused so much, until then.
    pub(crate) fn refuse(&self, need: Need<'_>, until: u64) {
        let mut bucket = self.lock(need.key);
        if let Some(slot) = place(&mut bucket, &need) {
            (slot.refused, slot.refused_until) = (need.cost.max(1), until);
            (slot.left, slot.back_at) = (0, slot.back_at.max(until));
        }
    }

    /// What Redis said last was left, once, unless all is back by now.
    pub(crate) fn take_left(&self, need: Need<'_>) -> Option<u64> {
        let mut bucket = self.lock(need.key);
        let slot = find(&mut bucket, need.key)?;
        let known = slot.rate.as_ref() == Some(need.rate) && need.now < slot.back_at;
        slot.back_at = 0;
        known.then_some(slot.left)
    }

    fn lock(&self, key: u64) -> MutexGuard<'_, [Slot; WAYS]> {
        let place = (u128::from(key) * self.buckets.len() as u128) >> 64;
        #[expect(clippy::cast_possible_truncation, reason = "less than the length")]
        let place = place as usize;
        #[expect(clippy::indexing_slicing, reason = "there is one bucket at least")]
        let bucket = &self.buckets[place];
        // Whoever panicked left whole numbers behind.
        bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").finish_non_exhaustive()
    }
}

impl Slot {
    /// When what was granted is lost.
    const fn until(&self) -> u64 {
        self.granted.saturating_add(KEPT)
    }

    /// By how fast the last was used up; half after one of which most was left.
    fn resize(&mut self, now: u64, most: u64) {
        let size = self.size.max(1);
        self.size = if self.given > 0 && self.units == 0 && now < self.until() {
            let passed = now.saturating_sub(self.granted).max(1);
            let asked = u128::from(self.given) * u128::from(AHEAD) / u128::from(passed);
            u64::try_from(asked).map_or(u64::MAX, |asked| asked.min(size.saturating_mul(GROWTH)))
        } else if self.units > self.given / 2 {
            size / 2
        } else {
            size
        };
        self.size = self.size.clamp(1, most);
    }

    fn is_idle(&self, now: u64) -> bool {
        let spent = self.units == 0 || self.until() <= now;
        spent && self.is_aged(now)
    }

    /// Whose key loses no more than what is left of a lease by giving up its place.
    fn is_aged(&self, now: u64) -> bool {
        let held = self.firm_until.max(self.refused_until).max(self.back_at);
        self.flight.is_none() && held <= now
    }
}

fn find(bucket: &mut [Slot; WAYS], key: u64) -> Option<&mut Slot> {
    bucket.iter_mut().find(|slot| slot.key == key)
}

/// Its place, or that of somebody who loses nothing by it, or little.
fn place<'b>(bucket: &'b mut [Slot; WAYS], need: &Need<'_>) -> Option<&'b mut Slot> {
    let known = bucket.iter().position(|slot| slot.key == need.key);
    let idle = || bucket.iter().position(|slot| slot.is_idle(need.now));
    let aged = || {
        let aged = bucket.iter().enumerate();
        let aged = aged.filter(|(_, slot)| slot.is_aged(need.now));
        let oldest = aged.min_by_key(|(_, slot)| slot.granted);
        oldest.map(|(place, _)| place)
    };
    let place = known.or_else(idle).or_else(aged)?;
    let slot = bucket.get_mut(place)?;
    if slot.key != need.key || slot.rate.as_ref() != Some(need.rate) {
        let flight = (slot.key == need.key).then(|| slot.flight.take());
        *slot = Slot {
            key: need.key,
            rate: Some(*need.rate),
            flight: flight.flatten(),
            ..Slot::default()
        };
    }
    Some(slot)
}
