use crate::sync::{AtomicU64, Ordering, STRIPES, stripe};

/// What is counted of each tenant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Item {
    Requests,
    Errors,
    Refused,
    Dropped,
    /// In nanoseconds.
    Busy,
}

pub(crate) const ITEMS: usize = 5;

/// One number for each [`Item`].
pub(crate) type Numbers = [u64; ITEMS];

/// A tenant's counts, each with a mark that says whether its own series tells it.
///
/// Count and mark are one word: whoever adds learns in the same step where that belongs, so
/// all that is added stands in exactly one of a series and the [`Rest`], in whatever order the
/// marks are set meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Ledger([Word; ITEMS]);

/// Twice the count, and one more while the mark is set.
#[derive(Debug, Default)]
struct Word(AtomicU64);

impl Ledger {
    #[inline]
    pub(crate) fn add(&self, item: Item, number: u64, rest: &Rest) {
        let Some(word) = self.0.get(item as usize) else {
            return;
        };
        let before = word.0.fetch_add(number << 1, Ordering::Relaxed);
        if before & 1 == 0 {
            rest.add(item, number);
        }
    }

    pub(crate) fn count(&self, item: Item) -> u64 {
        let word = self.0.get(item as usize);
        word.map_or(0, |word| word.0.load(Ordering::Relaxed) >> 1)
    }

    pub(crate) fn counts(&self) -> Numbers {
        self.0
            .each_ref()
            .map(|word| word.0.load(Ordering::Relaxed) >> 1)
    }

    /// From here on its own series tells it. Returns what was counted before.
    pub(crate) fn show(&self) -> Numbers {
        let set = |word: &Word| word.0.fetch_or(1, Ordering::Relaxed) >> 1;
        self.0.each_ref().map(set)
    }

    /// From here on the rest tells it. Returns what was counted before.
    pub(crate) fn hide(&self) -> Numbers {
        let unset = |word: &Word| word.0.fetch_and(!1, Ordering::Relaxed) >> 1;
        self.0.each_ref().map(unset)
    }
}

/// What tenants did that have no series of their own. Threads do not contend for it.
#[derive(Debug, Default)]
pub(crate) struct Rest([Stripe; STRIPES]);

// Two lines of a cache: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe([AtomicU64; ITEMS]);

impl Rest {
    #[inline]
    fn add(&self, item: Item, number: u64) {
        let stripe = self.0.get(stripe());
        if let Some(count) = stripe.and_then(|stripe| stripe.0.get(item as usize)) {
            count.fetch_add(number, Ordering::Relaxed);
        }
    }

    pub(crate) fn counts(&self) -> Numbers {
        let of = |stripe: &Stripe| stripe.0.each_ref().map(|of| of.load(Ordering::Relaxed));
        self.0.iter().map(of).fold(Numbers::default(), sum)
    }
}

pub(crate) fn sum(one: Numbers, other: Numbers) -> Numbers {
    zip(one, other, u64::wrapping_add)
}

pub(crate) fn difference(one: Numbers, other: Numbers) -> Numbers {
    zip(one, other, u64::saturating_sub)
}

fn zip(one: Numbers, other: Numbers, with: impl Fn(u64, u64) -> u64) -> Numbers {
    let mut zipped = one;
    for (number, other) in zipped.iter_mut().zip(other) {
        *number = with(*number, other);
    }
    zipped
}
