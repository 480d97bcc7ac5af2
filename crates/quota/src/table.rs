use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::RatePolicy;
use crate::level::Level;
use crate::state::{Judged, State};

/// A table of a fixed size. A key has its place in one bucket; when all places there are
/// taken by others, only one that is idle is given away, and whoever finds none shares what the
/// bucket keeps for all of those.
pub(crate) struct Table {
    buckets: Box<[Aligned]>,
}

/// How many keys have a place in one bucket.
const WAYS: usize = 15;

/// 512 bytes; what is searched for a key are the first two cache lines.
#[repr(align(64))]
struct Aligned(Mutex<Bucket>);

#[derive(Default)]
struct Bucket {
    /// Zero where nobody is.
    tags: [u64; WAYS],
    states: [State; WAYS],
    /// Of all that found no place.
    shared: State,
}

impl Table {
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        let buckets = capacity.get().div_ceil(WAYS);
        let bucket = || Aligned(Mutex::default());
        let buckets = std::iter::repeat_with(bucket).take(buckets).collect();
        Self { buckets }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.buckets.len() * WAYS
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.buckets)
    }

    /// The bucket of a key, by its high bits.
    pub(crate) fn bucket(&self, key: u64) -> usize {
        let place = (u128::from(key) * self.buckets.len() as u128) >> 64;
        #[expect(clippy::cast_possible_truncation, reason = "less than the length")]
        let place = place as usize;
        place
    }

    /// Charges all of these levels, or none, at one moment for whoever looks. They are ordered
    /// by bucket: locks are taken in that order, so that no two wait for each other.
    pub(crate) fn decide(&self, levels: &mut [Level<'_>], now: u64) -> bool {
        self.descend(levels, now, true)
    }

    /// The same for one level, of which most plans have no more.
    #[inline]
    pub(crate) fn decide_one(&self, level: &mut Level<'_>, now: u64) {
        if let Some(bucket) = self.buckets.get(level.bucket) {
            let mut bucket = bucket.lock();
            bucket.judge(level, now, &mut 0);
            bucket.settle(level, now, level.passes());
        }
    }

    fn descend(&self, levels: &mut [Level<'_>], now: u64, fits: bool) -> bool {
        let Some(first) = levels.first() else {
            return fits;
        };
        let place = first.bucket;
        let Some(bucket) = self.buckets.get(place) else {
            return fits;
        };
        let here = levels.iter().take_while(|level| level.bucket == place);
        let (here, rest) = levels.split_at_mut(here.count());
        let mut bucket = bucket.lock();
        let (mut fits, mut taken) = (fits, 0);
        for level in &mut *here {
            bucket.judge(level, now, &mut taken);
            fits &= level.passes();
        }
        let admitted = match rest {
            [] => fits,
            rest => self.descend(rest, now, fits),
        };
        for level in here {
            bucket.settle(level, now, admitted);
        }
        admitted
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

impl Aligned {
    fn lock(&self) -> MutexGuard<'_, Bucket> {
        // Whoever panicked left whole numbers behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    /// Finds the place of a level, or an idle one, and asks its rate. `taken` are the places
    /// of the levels before it, one bit each: they are not given away.
    // Always, as all that judges below it: what is judged stays in registers. Through memory it is
    // written in halves and read as a whole, which takes as long as all the rest.
    #[inline(always)]
    fn judge(&mut self, level: &mut Level<'_>, now: u64, taken: &mut u16) {
        let known = self.find(level.key);
        level.slot = known.or_else(|| self.give(level.key, now, *taken));
        *taken |= level.slot.map_or(0, |slot| 1 << slot);
        let rate = &level.policy.rate;
        if level.used > 0 && level.slot.is_some() {
            rate.note(self.state(level.slot), now, level.used);
        }
        level.judged = rate.judge(self.state(level.slot), now, level.cost);
    }

    #[inline(always)]
    fn settle(&mut self, level: &mut Level<'_>, now: u64, admitted: bool) {
        let RatePolicy { rate, penalty, .. } = level.policy;
        let state = self.state(level.slot);
        // Full of what was used, rather than blocked for what was tried before.
        if let Judged::Full { wait } = &mut level.judged {
            if *penalty > 0 && level.slot.is_some() {
                *wait = rate.block(state, now, *penalty, *wait);
            }
        } else if admitted && level.has_room() {
            rate.charge(state, now, level.cost);
        }
    }

    /// Most are where they are looked for first.
    #[inline]
    fn find(&self, key: u64) -> Option<usize> {
        let home = home(key);
        match self.tags.get(home) {
            Some(tag) if *tag == key => Some(home),
            _ => self.search(key),
        }
    }

    #[inline(never)]
    fn search(&self, key: u64) -> Option<usize> {
        self.tags.iter().position(|tag| *tag == key)
    }

    /// The place of somebody idle, who loses nothing by it.
    #[cold]
    fn give(&mut self, key: u64, now: u64, taken: u16) -> Option<usize> {
        let is_idle = |slot: &usize| {
            let state = self.states.get(*slot);
            taken >> *slot & 1 == 0 && state.is_some_and(|state| state.is_idle(now))
        };
        let slot = std::iter::once(home(key)).chain(0..WAYS).find(is_idle)?;
        *self.tags.get_mut(slot)? = key;
        *self.states.get_mut(slot)? = State::default();
        Some(slot)
    }

    #[inline]
    fn state(&mut self, slot: Option<usize>) -> &mut State {
        let own = slot.and_then(|slot| self.states.get_mut(slot));
        own.unwrap_or(&mut self.shared)
    }
}

/// Where in its bucket a key is put if it can be, by its low bits.
const fn home(key: u64) -> usize {
    (((key & 0xffff_ffff) * WAYS as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::Aligned;

    #[test]
    fn a_place_takes_34_bytes() {
        assert_eq!(size_of::<Aligned>(), 512);
    }
}
