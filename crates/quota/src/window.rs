use std::num::NonZeroU16;
use std::time::Duration;

use crate::state::{Judged, Shape, State};

/// A strict window of four slices and the one that is being left: whatever was used in a slice is
/// counted until the last moment of the slice is a window ago.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Window {
    limit: NonZeroU16,
    /// In nanoseconds.
    slice: u64,
    shape: Shape,
}

const SLICES: u64 = 4;
const LONGEST: u64 = u64::MAX / 16;

impl Window {
    pub(crate) fn new(limit: NonZeroU16, window: Duration) -> Self {
        let slice = window.as_nanos().div_ceil(u128::from(SLICES)).max(1);
        let slice = u64::try_from(slice).map_or(LONGEST, |slice| slice.min(LONGEST));
        let shape = Shape::of_slices(slice);
        Self {
            limit,
            slice,
            shape,
        }
    }

    pub(crate) const fn limit(&self) -> u64 {
        self.limit.get() as u64
    }

    #[inline(always)]
    pub(crate) fn judge(&self, state: &State, now: u64, cost: u64) -> Judged {
        let (counts, end) = self.slices(state, now);
        let used: u64 = counts.iter().copied().map(u64::from).sum();
        let after = used.saturating_add(cost);
        if after <= self.limit() || cost == 0 {
            return Judged::Room {
                remaining: self.limit().saturating_sub(after),
                reset: match after {
                    0 => 0,
                    _ => self.forgotten_at(end).saturating_sub(now),
                },
            };
        }
        let mut missing = after - self.limit();
        // The oldest are forgotten first.
        for (age, count) in (0..=SLICES).rev().zip(counts.into_iter().rev()) {
            missing = missing.saturating_sub(count.into());
            if missing == 0 {
                let end = end.saturating_sub(self.slice * age);
                return Judged::Full {
                    wait: self.forgotten_at(end).saturating_sub(now),
                };
            }
        }
        Judged::Never
    }

    pub(crate) fn charge(&self, state: &mut State, now: u64, cost: u64) {
        let (mut counts, end) = self.slices(state, now);
        let [newest, ..] = &mut counts;
        *newest = u16::try_from(u64::from(*newest).saturating_add(cost)).unwrap_or(u16::MAX);
        state.mark = self.forgotten_at(end);
        state.set_counts(counts);
        state.shape = self.shape;
    }

    pub(crate) fn note(&self, state: &mut State, now: u64, used: u64) {
        let (counts, _) = self.slices(state, now);
        let counted: u64 = counts.iter().copied().map(u64::from).sum();
        let used = used.min(self.limit());
        self.charge(state, now, used.saturating_sub(counted));
    }

    /// After a block of a window or more nothing is left to be counted, for in a block nothing is
    /// admitted. Whether it is one.
    pub(crate) fn outlast(&self, state: &mut State, block: u64) -> bool {
        let outlasts = block >= self.slice * SLICES;
        if outlasts {
            state.set_counts([0; 5]);
            state.mark = 0;
        }
        outlasts
    }

    const fn forgotten_at(&self, end: u64) -> u64 {
        end.saturating_add(self.slice * SLICES)
    }

    /// The counts as they are now, the newest first, and where the newest slice ends.
    fn slices(&self, state: &State, now: u64) -> ([u16; 5], u64) {
        if state.forgotten(now) {
            return ([0; 5], now.saturating_add(self.slice));
        }
        if state.shape != self.shape {
            // Used under another rate, nobody knows when: taken for used now.
            let (used, each) = state.used(now);
            let used = u16::try_from(used.div_ceil(each)).unwrap_or(u16::MAX);
            return ([used, 0, 0, 0, 0], now.saturating_add(self.slice));
        }
        let mut counts = state.counts();
        let mut end = state.mark.saturating_sub(self.slice * SLICES);
        while end <= now {
            counts.rotate_right(1);
            let [newest, ..] = &mut counts;
            *newest = 0;
            end = end.saturating_add(self.slice);
        }
        (counts, end)
    }
}

#[cfg(feature = "redis")]
impl Window {
    pub(crate) const fn wire(&self) -> crate::rate::Wire {
        crate::rate::Wire {
            kind: 2,
            each: self.slice.div_ceil(1_000),
            most: self.limit(),
        }
    }
}
