//! How long what the store said may be served, and when to ask it again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// A store that failed is asked again for the same name after this long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

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
    /// Ask the store, and serve it only if that fails.
    Expired,
    /// It is as if it were not known.
    Gone,
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
    /// all the time never waits. While the store is `failing`, one request a second asks,
    /// and none waits for it.
    pub(super) fn freshness(&self, now: Instant, lifetimes: Lifetimes, failing: bool) -> Freshness {
        let age = now.saturating_duration_since(self.fetched);
        if age >= lifetimes.ttl.saturating_add(lifetimes.max_stale) {
            return Freshness::Gone;
        }
        let is_expired = age >= lifetimes.ttl;
        if is_expired && !failing {
            return Freshness::Expired;
        }
        let may_ask = self.retry.is_none_or(|retry| now >= retry);
        if may_ask && (is_expired || age >= lifetimes.ttl / 2) {
            return Freshness::Aging;
        }
        Freshness::Fresh
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

    use super::{Entry, Freshness, Lifetimes};

    #[test]
    fn an_answer_ages_expires_and_goes() {
        let start = Instant::now();
        let secs = Duration::from_secs;
        let lifetimes = Lifetimes {
            ttl: secs(10),
            max_stale: secs(60),
            unknown: secs(5),
        };
        let at = |entry: &Entry<()>, age, failing| {
            entry.freshness(start + secs(age), lifetimes, failing)
        };
        let entry = Entry::new(Arc::new(()), start);
        for (age, healthy, failing) in [
            (0, Freshness::Fresh, Freshness::Fresh),
            (4, Freshness::Fresh, Freshness::Fresh),
            (5, Freshness::Aging, Freshness::Aging),
            (9, Freshness::Aging, Freshness::Aging),
            (10, Freshness::Expired, Freshness::Aging),
            (69, Freshness::Expired, Freshness::Aging),
            (70, Freshness::Gone, Freshness::Gone),
        ] {
            assert_eq!(at(&entry, age, false), healthy, "{age} s");
            assert_eq!(at(&entry, age, true), failing, "{age} s, failing");
        }

        let failed = entry.after_failure(start + secs(20));
        assert_eq!(at(&failed, 20, true), Freshness::Fresh, "one a second asks");
        assert_eq!(at(&failed, 21, true), Freshness::Aging);
        assert_eq!(at(&failed, 20, false), Freshness::Expired, "it works again");
        let failed = entry.after_failure(start + secs(70));
        assert_eq!(
            at(&failed, 70, true),
            Freshness::Gone,
            "a failure prolongs nothing"
        );
    }
}
