//! How long what the store said may be served, and when to ask it again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// A store that failed is asked again for the same name after this long.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// If nobody asked for so long after that, the store may have come back unseen.
const UNSEEN: Duration = Duration::from_secs(5);

/// For how long an answer of the store counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    /// Without asking again.
    pub(super) ttl: Duration,
    /// After that, while the store fails.
    pub(super) max_stale: Duration,
    /// That there is no such name.
    pub(super) unknown: Duration,
}

/// What the store said of a name.
#[derive(Debug)]
pub(super) struct Entry<V> {
    pub(super) value: Arc<V>,
    pub(super) fetched: Instant,
    /// Not to be asked for again before this: the store failed just now.
    retry: Option<Instant>,
}

/// What to do about a name that is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Freshness {
    /// Serve it.
    Fresh,
    /// Serve it, and ask the store meanwhile.
    Aging,
    /// It is older than it should be, but the store failed just now: serve it, and ask the
    /// store meanwhile if it may be asked.
    Stale { ask: bool },
    /// Ask the store for so long, and serve it only if that fails.
    Expired { patience: Patience },
    /// It is as if it were not known.
    Gone,
}

/// How long to wait for something newer than what there is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Patience {
    /// As long as a lookup may take.
    Whole,
    /// Not long: the store failed when it was asked last.
    Short,
}

impl<V> Entry<V> {
    pub(super) const fn new(value: Arc<V>, now: Instant) -> Self {
        Self {
            value,
            fetched: now,
            retry: None,
        }
    }

    /// The same, after the store failed to say anything newer.
    pub(super) fn after_failure(&self, now: Instant) -> Self {
        Self {
            value: Arc::clone(&self.value),
            fetched: self.fetched,
            retry: Some(now + RETRY_AFTER),
        }
    }

    /// In its second half an answer is refreshed ahead of time, so that who is asked for
    /// all the time never waits. After the store failed for this name, and for no other, one
    /// request a second asks again; none waits for it, unless nobody came for a while, in
    /// which the store may have come back.
    pub(super) fn freshness(&self, now: Instant, lifetimes: Lifetimes) -> Freshness {
        let age = now.saturating_duration_since(self.fetched);
        if age >= lifetimes.ttl.saturating_add(lifetimes.max_stale) {
            return Freshness::Gone;
        }
        let is_expired = age >= lifetimes.ttl;
        let Some(retry) = self.retry else {
            return match () {
                () if is_expired => Freshness::Expired {
                    patience: Patience::Whole,
                },
                () if age >= lifetimes.ttl / 2 => Freshness::Aging,
                () => Freshness::Fresh,
            };
        };
        let ask = now >= retry;
        match is_expired {
            true if now >= retry + UNSEEN => Freshness::Expired {
                patience: Patience::Short,
            },
            true => Freshness::Stale { ask },
            false if ask => Freshness::Aging,
            false => Freshness::Fresh,
        }
    }
}

impl<V> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Entry, Freshness, Lifetimes, Patience};

    const WHOLE: Freshness = Freshness::Expired {
        patience: Patience::Whole,
    };
    const SHORT: Freshness = Freshness::Expired {
        patience: Patience::Short,
    };

    fn lifetimes() -> Lifetimes {
        Lifetimes {
            ttl: Duration::from_secs(10),
            max_stale: Duration::from_secs(60),
            unknown: Duration::from_secs(5),
        }
    }

    #[test]
    fn an_answer_ages_expires_and_goes() {
        let start = Instant::now();
        let entry = Entry::new(Arc::new(()), start);
        for (age, freshness) in [
            (0, Freshness::Fresh),
            (4, Freshness::Fresh),
            (5, Freshness::Aging),
            (9, Freshness::Aging),
            (10, WHOLE),
            (69, WHOLE),
            (70, Freshness::Gone),
        ] {
            let at = start + Duration::from_secs(age);
            assert_eq!(entry.freshness(at, lifetimes()), freshness, "{age} s");
        }
    }

    #[test]
    fn after_a_failure_one_a_second_asks_and_who_comes_late_waits_briefly() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let entry = Entry::new(Arc::new(()), start);
        for (failed, asked, freshness) in [
            (6_000, 6_999, Freshness::Fresh),
            (6_000, 7_000, Freshness::Aging),
            (9_500, 10_499, Freshness::Stale { ask: false }),
            (9_500, 10_500, Freshness::Stale { ask: true }),
            (9_500, 15_499, Freshness::Stale { ask: true }),
            (9_500, 15_500, SHORT),
            (69_900, 70_000, Freshness::Gone),
        ] {
            let failed = entry.after_failure(at(failed));
            let seen = failed.freshness(at(asked), lifetimes());
            assert_eq!(seen, freshness, "{asked} ms");
        }
    }
}
