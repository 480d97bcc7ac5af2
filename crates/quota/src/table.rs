use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::level::Level;
use crate::state::State;

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
    pub(crate) fn decide(&self, levels: &mut [Level<'_>], now: u64, cost: u64) -> bool {
        self.descend(levels, now, cost, true)
    }

    fn descend(&self, levels: &mut [Level<'_>], now: u64, cost: u64, fits: bool) -> bool {
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
        let mut fits = fits;
        for level in &mut *here {
            bucket.judge(level, now, cost);
            fits &= level.passes();
        }
        let admitted = self.descend(rest, now, cost, fits);
        for level in here {
            bucket.settle(level, now, cost, admitted);
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
    fn judge(&self, level: &mut Level<'_>, now: u64, cost: u64) {
        let state = match self.find(level.key) {
            Some(state) => *state,
            None if self.idle(now).is_some() => State::default(),
            None => {
                level.crowded = true;
                self.shared
            }
        };
        level.judged = level.policy.rate.judge(&state, now, cost);
    }

    fn settle(&mut self, level: &mut Level<'_>, now: u64, cost: u64, admitted: bool) {
        let (rate, penalty) = (level.policy.rate, level.policy.penalty);
        if level.is_full() && penalty > 0 && !level.crowded {
            let wait = rate.block(self.claim(level.key, now), now, penalty);
            level.blocked_for(wait);
        } else if admitted && cost > 0 && level.has_room() {
            rate.charge(self.claim(level.key, now), now, cost);
        }
    }

    fn find(&self, key: u64) -> Option<&State> {
        let place = self.tags.iter().position(|tag| *tag == key)?;
        self.states.get(place)
    }

    fn idle(&self, now: u64) -> Option<usize> {
        self.states.iter().position(|state| state.is_idle(now))
    }

    /// The state of this key, or the one that it shares.
    fn claim(&mut self, key: u64, now: u64) -> &mut State {
        let known = self.tags.iter().position(|tag| *tag == key);
        let Some(place) = known.or_else(|| self.idle(now)) else {
            return &mut self.shared;
        };
        match (self.tags.get_mut(place), self.states.get_mut(place)) {
            (Some(tag), Some(state)) => {
                if *tag != key {
                    *tag = key;
                    *state = State::default();
                }
                state
            }
            _ => &mut self.shared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Aligned;

    #[test]
    fn a_place_takes_34_bytes() {
        assert_eq!(size_of::<Aligned>(), 512);
    }
}
