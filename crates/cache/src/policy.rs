use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::Timeouts;
use crate::clock::millis;

/// How long the values of a cache are served, and what happens when there is no new one.
///
/// A value is fresh for the time to live, then served stale while a new one is loaded, then
/// served only if the load fails, and then not at all. Both stale times are counted from when
/// it became stale, as in RFC 5861.
///
/// ```
/// use std::time::Duration;
/// use towerblock_cache::Policy;
///
/// let policy = Policy::ttl(Duration::from_secs(60))
///     .stale_while_revalidate(Duration::from_secs(30))
///     .stale_if_error(Duration::from_secs(3_600));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
    ttl: Duration,
    jitter_percent: u8,
    stale_while_revalidate: Duration,
    stale_if_error: Duration,
    absent_ttl: Duration,
    error_backoff: Duration,
    pub(crate) timeouts: Timeouts,
}

/// A failing key is asked for at least so often.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

impl Policy {
    /// Values are fresh for so long, unless their loader says otherwise; more than zero.
    #[must_use]
    pub const fn ttl(ttl: Duration) -> Self {
        Self {
            ttl,
            jitter_percent: 10,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            absent_ttl: Duration::from_secs(5),
            error_backoff: Duration::from_secs(1),
            timeouts: Timeouts::new(Duration::from_secs(2)),
        }
    }

    /// Shortens each time to live by a random part of it, up to so many percent, so that what
    /// was loaded together is not loaded together again; 0 to 100. Default: 10.
    #[must_use]
    pub const fn jitter_percent(mut self, percent: u8) -> Self {
        self.jitter_percent = percent;
        self
    }

    /// Serves a value that is not fresh for so long, while a new one is loaded. Default: zero.
    #[must_use]
    pub const fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.stale_while_revalidate = window;
        self
    }

    /// Serves a value that is not fresh for so long, when a new one cannot be loaded: the
    /// loader fails or is late, or there is no slot for it. Default: zero.
    #[must_use]
    pub const fn stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = window;
        self
    }

    /// Remembers for so long that there is no such thing; never longer, and never stale. With
    /// zero, not at all. Default: 5 s.
    #[must_use]
    pub const fn absent_ttl(mut self, ttl: Duration) -> Self {
        self.absent_ttl = ttl;
        self
    }

    /// Asks for a key whose load failed no sooner than after so long, and twice as long with
    /// each failure that follows, up to 30 s; meanwhile its stale value is served, or the same
    /// error. With zero, each caller asks. Default: 1 s.
    #[must_use]
    pub const fn error_backoff(mut self, backoff: Duration) -> Self {
        self.error_backoff = backoff;
        self
    }

    /// How long a load may take. Default: `Timeouts::new(2 s)`.
    #[must_use]
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn flaw(&self) -> Option<&'static str> {
        let Timeouts {
            hard,
            with_stale,
            in_background,
            elsewhere,
        } = self.timeouts;
        let stale = self.stale_for();
        let flaws = [
            (self.ttl.is_zero(), "ttl is zero"),
            (self.jitter_percent > 100, "jitter_percent is above 100"),
            (hard.is_zero(), "timeouts: the hard one is zero"),
            (
                in_background < hard,
                "timeouts: in_background is below the hard one",
            ),
            (
                elsewhere >= hard,
                "timeouts: elsewhere is not below the hard one",
            ),
            (
                with_stale.is_some_and(|soft| soft >= hard),
                "timeouts: with_stale is not below the hard one",
            ),
            (
                with_stale.is_some() && stale.is_zero(),
                "timeouts: with_stale is set, and stale_if_error and stale_while_revalidate are zero",
            ),
        ];
        flaws
            .iter()
            .find_map(|(wrong, flaw)| wrong.then_some(*flaw))
    }

    /// For how many milliseconds a value is fresh that may be for `ttl`, or as the policy says.
    pub(crate) fn fresh_for(&self, ttl: Option<Duration>) -> u64 {
        let ttl = millis(ttl.unwrap_or(self.ttl));
        let most = u128::from(ttl) * u128::from(self.jitter_percent) / 100;
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        ttl - random(most)
    }

    pub(crate) fn absent_for(&self) -> u64 {
        millis(self.absent_ttl)
    }

    /// For how many milliseconds more a value may be served at all.
    pub(crate) fn dies_after(&self) -> u64 {
        millis(self.stale_for())
    }

    fn stale_for(&self) -> Duration {
        self.stale_while_revalidate.max(self.stale_if_error)
    }

    /// What to do about a value at this time of the clock.
    pub(crate) fn judge(&self, fresh_until: u64, retry_at: u64, now: u64) -> Verdict {
        let Some(stale_for) = now.checked_sub(fresh_until) else {
            return Verdict::Fresh;
        };
        let may_load = now >= retry_at;
        if stale_for < millis(self.stale_while_revalidate) {
            Verdict::Stale { refresh: may_load }
        } else if stale_for < millis(self.stale_if_error) {
            if may_load {
                Verdict::Late
            } else {
                Verdict::Stale { refresh: false }
            }
        } else {
            Verdict::Dead
        }
    }

    /// How many milliseconds to leave a key alone after its load failed so often in a row.
    pub(crate) fn backoff(&self, failures: u32) -> u64 {
        let doubled = 1_u64 << failures.saturating_sub(1).min(20);
        let backoff = millis(self.error_backoff);
        let most = backoff.max(millis(MAX_BACKOFF));
        backoff.saturating_mul(doubled).min(most)
    }
}

/// What to do about a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Fresh,
    /// Serve it, and load a new one meanwhile if that may be.
    Stale {
        refresh: bool,
    },
    /// Load a new one, and serve this if that fails.
    Late,
    Dead,
}

/// Up to and with `most`.
fn random(most: u64) -> u64 {
    // Each `RandomState` has keys of its own.
    let bits = RandomState::new().hash_one(most);
    bits.checked_rem(most.saturating_add(1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Policy, Verdict};
    use crate::Timeouts;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn fresh_then_revalidated_then_if_error_then_dead() {
        let policy = Policy::ttl(ms(100))
            .stale_while_revalidate(ms(10))
            .stale_if_error(ms(50));
        let at = |now| policy.judge(100, 0, now);
        assert_eq!([at(0), at(99)], [Verdict::Fresh; 2]);
        assert_eq!([at(100), at(109)], [Verdict::Stale { refresh: true }; 2]);
        assert_eq!([at(110), at(149)], [Verdict::Late; 2]);
        assert_eq!([at(150), at(u64::MAX)], [Verdict::Dead; 2]);
    }

    #[test]
    fn after_a_failure_stale_is_served_without_asking() {
        let policy = Policy::ttl(ms(100))
            .stale_while_revalidate(ms(10))
            .stale_if_error(ms(50));
        let at = |now| policy.judge(100, 140, now);
        assert_eq!([at(100), at(139)], [Verdict::Stale { refresh: false }; 2]);
        assert_eq!([at(140), at(150)], [Verdict::Late, Verdict::Dead]);
    }

    #[test]
    fn backoff_doubles_up_to_a_bound() {
        let policy = Policy::ttl(ms(1)).error_backoff(ms(1_000));
        let waits = [1, 2, 3, 6, 7, u32::MAX].map(|failures| policy.backoff(failures));
        assert_eq!(waits, [1_000, 2_000, 4_000, 30_000, 30_000, 30_000]);
        assert_eq!(policy.error_backoff(ms(0)).backoff(5), 0);
        // A longer one that was asked for is not shortened.
        assert_eq!(policy.error_backoff(ms(60_000)).backoff(2), 60_000);
    }

    #[test]
    fn jitter_only_shortens() {
        let policy = Policy::ttl(ms(1_000)).jitter_percent(20);
        let seen: Vec<u64> = (0..1_000).map(|_| policy.fresh_for(None)).collect();
        assert!(seen.iter().all(|ttl| (800..=1_000).contains(ttl)));
        assert!(seen.iter().any(|ttl| *ttl < 850) && seen.iter().any(|ttl| *ttl > 950));
        assert_eq!(policy.jitter_percent(0).fresh_for(Some(ms(7))), 7);
    }

    #[test]
    fn incoherent_settings_are_named() {
        let policy = Policy::ttl(ms(100)).stale_if_error(ms(100));
        let hard = Timeouts::new(ms(50));
        let flaw = |policy: Policy| policy.flaw().unwrap_or_default();
        assert_eq!(flaw(policy.timeouts(hard.with_stale(ms(49)))), "");
        for (bad, named) in [
            (Policy::ttl(ms(0)), "ttl"),
            (policy.jitter_percent(101), "jitter_percent"),
            (policy.timeouts(Timeouts::new(ms(0))), "hard"),
            (policy.timeouts(hard.with_stale(ms(50))), "with_stale"),
            (policy.timeouts(hard.in_background(ms(49))), "in_background"),
            (
                policy
                    .stale_if_error(ms(0))
                    .timeouts(hard.with_stale(ms(1))),
                "stale_if_error",
            ),
        ] {
            assert!(flaw(bad).contains(named), "{named}: {}", flaw(bad));
        }
    }
}
