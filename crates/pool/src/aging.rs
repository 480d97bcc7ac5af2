//! How long a connection is kept, and when it is tested before it is used.

use std::time::Duration;

use tokio::time::Instant;

/// When a connection is closed though nothing is wrong with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Aging {
    /// After this long, on its way back into the pool; for each connection it is up to a
    /// quarter shorter or longer, so that those opened together are not closed together.
    /// Default: 30 min.
    pub max_lifetime: Duration,
    /// When nobody used it for this long, down to the idle ones that are kept. Default: 10
    /// min.
    pub idle_timeout: Duration,
}

impl Default for Aging {
    fn default() -> Self {
        Self {
            max_lifetime: Duration::from_secs(30 * 60),
            idle_timeout: Duration::from_secs(10 * 60),
        }
    }
}

/// When a connection is tested before it is handed out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Validation {
    /// Not when it was used within this time. Default: 500 ms.
    pub bypass: Duration,
    /// A test that takes longer has failed, and the connection is closed. Default: 200 ms.
    pub timeout: Duration,
}

impl Default for Validation {
    fn default() -> Self {
        Self {
            bypass: Duration::from_millis(500),
            timeout: Duration::from_millis(200),
        }
    }
}

/// The times of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    expires: Instant,
    pub(crate) used: Instant,
}

impl Age {
    /// Of a connection that is opened now. `chance` is any number, another for each.
    pub(crate) fn new(now: Instant, aging: Aging, chance: u64) -> Self {
        // From 3/4 to 5/4, in 1,024 steps.
        let permille = 768 + u32::try_from(chance % 513).unwrap_or(0);
        let lifetime = aging.max_lifetime.saturating_mul(permille) / 1_024;
        Self {
            expires: after(now, lifetime),
            used: now,
        }
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        now >= self.expires
    }

    pub(crate) fn needs_a_test(&self, now: Instant, validation: Validation) -> bool {
        now.saturating_duration_since(self.used) >= validation.bypass
    }

    pub(crate) fn is_idle_too_long(&self, now: Instant, aging: Aging) -> bool {
        now.saturating_duration_since(self.used) >= aging.idle_timeout
    }
}

/// A time that there is not is as good as one that is far away.
pub(crate) fn after(now: Instant, duration: Duration) -> Instant {
    let then = now.checked_add(duration);
    then.unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 60 * 60))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Age, Aging, Validation};

    #[test]
    fn lifetimes_differ_by_up_to_a_quarter() {
        let now = Instant::now();
        let aging = Aging {
            max_lifetime: Duration::from_secs(1_024),
            ..Aging::default()
        };
        let at =
            |chance, secs| Age::new(now, aging, chance).is_expired(now + Duration::from_secs(secs));
        assert!(!at(0, 767) && at(0, 768), "the shortest");
        assert!(!at(512, 1_279) && at(512, 1_280), "the longest");
        assert!((0..10_000).all(|chance| !at(chance, 767) && at(chance, 1_280)));
        let forever = Aging {
            max_lifetime: Duration::MAX,
            ..aging
        };
        assert!(!Age::new(now, forever, 7).is_expired(now + Duration::from_secs(1 << 20)));
    }

    #[test]
    fn only_who_was_idle_is_tested_and_only_who_was_idle_long_is_closed() {
        let now = Instant::now();
        let age = Age::new(now, Aging::default(), 0);
        let after = |millis| now + Duration::from_millis(millis);
        assert!(!age.needs_a_test(after(499), Validation::default()));
        assert!(age.needs_a_test(after(500), Validation::default()));
        assert!(!age.is_idle_too_long(after(599_999), Aging::default()));
        assert!(age.is_idle_too_long(after(600_000), Aging::default()));
    }
}
