use crate::sync::{AtomicU64, Ordering};

/// The bits of a value.
pub(crate) const WIDTH: u32 = 24;
pub(crate) const VALUE: u64 = (1 << WIDTH) - 1;
pub(crate) const TAG: u64 = u64::MAX >> WIDTH;

/// A small number that belongs to a time: whoever comes with a later tag finds 0, and whoever
/// comes with an earlier one changes nothing. So nothing is ever reset, and no reset can be
/// late.
#[derive(Debug)]
pub(crate) struct Tagged(AtomicU64);

impl Tagged {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn many(count: usize) -> Box<[Self]> {
        (0..count).map(|_| Self::new()).collect()
    }

    /// The number at that time.
    pub(crate) fn get(&self, tag: u64) -> u32 {
        let word = self.0.load(Ordering::Acquire);
        if word >> WIDTH == tag & TAG {
            value(word)
        } else {
            0
        }
    }

    /// Whether any of these bits is set, whatever the time is.
    #[inline]
    pub(crate) fn has(&self, bits: u32) -> bool {
        value(self.0.load(Ordering::Acquire)) & bits != 0
    }

    /// Changes the number at that time, and says what it was before; nothing when a later time
    /// has begun.
    #[inline]
    pub(crate) fn update(&self, tag: u64, change: impl Fn(u32) -> u32) -> Option<u32> {
        let tag = tag & TAG;
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let before = match word >> WIDTH {
                of if of == tag => value(word),
                // Nought is nought at any time.
                of if is_later(of, tag) && value(word) > 0 => return None,
                _ => 0,
            };
            let after = change(before);
            if after == before {
                return Some(before);
            }
            let next = (tag << WIDTH) | u64::from(after);
            // Acquire and release: whoever reads what it says sees what was noted before.
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Some(before),
                Err(now) => word = now,
            }
        }
    }

    /// One more, and how many that makes.
    pub(crate) fn add_one(&self, tag: u64) -> Option<u32> {
        let one_more = |count: u32| count.saturating_add(1).min(VALUE as u32);
        self.update(tag, one_more).map(one_more)
    }
}

#[inline]
fn value(word: u64) -> u32 {
    (word & VALUE) as u32
}

/// Tags go round, and no two in use are half the way apart.
fn is_later(tag: u64, than: u64) -> bool {
    (1..=TAG / 2).contains(&(tag.wrapping_sub(than) & TAG))
}
