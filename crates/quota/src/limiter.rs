use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::time::Instant;

use crate::decision::Decision;
use crate::level::Level;
use crate::outcome::Outcome;
use crate::plan::MOST;
use crate::table::Table;
use crate::{Ask, Plan};

/// What everybody has used, in memory of a fixed size. Clones share it.
///
/// ```
/// use std::num::{NonZeroU64, NonZeroUsize};
/// use std::sync::Arc;
/// use tokio::time::Instant;
/// use towerblock_core::TenantId;
/// use towerblock_quota::{Ask, Name, Plan, Rate, RateLimiter, RatePolicy};
///
/// let two = Rate::per_second(NonZeroU64::new(2).unwrap());
/// let plan = Arc::new(Plan::new("free").rates([RatePolicy::new(Name::new("requests")?, two)]));
/// let limiter = RateLimiter::new(NonZeroUsize::new(10_000).unwrap());
///
/// let acme = Ask::new(plan, &TenantId::new("acme")?);
/// let now = Instant::now();
/// let admitted = [(); 3].map(|()| limiter.decide(acme.clone(), now).is_admitted());
/// assert_eq!(admitted, [true, true, false]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RateLimiter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    origin: Instant,
    verified: Table,
    unverified: Table,
}

impl RateLimiter {
    /// With places for so many keys, in 34 bytes each, and an eighth as many for keys that are not
    /// [verified](Ask::unverified). A key is one tenant, user or class of routes under one policy, and holds a place while what it
    /// used has not come back.
    ///
    /// Places fill unevenly: with half of them taken one key in a thousand finds none, and shares its rate
    /// with the others of whom that is true.
    #[must_use]
    pub fn new(capacity: NonZeroUsize) -> Self {
        let eighth = NonZeroUsize::new(capacity.get() / 8).unwrap_or(NonZeroUsize::MIN);
        let shared = Shared {
            origin: Instant::now(),
            verified: Table::new(capacity),
            unverified: Table::new(eighth),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Charges all policies of the plan, or, if one of them refuses, none.
    #[must_use]
    pub fn decide(&self, ask: Ask, now: Instant) -> Decision {
        self.decide_with(ask, now, |_| {})
    }

    /// Each level is prepared before it is asked.
    pub(crate) fn decide_with(
        &self,
        mut ask: Ask,
        now: Instant,
        prepare: impl Fn(&mut Level<'_>),
    ) -> Decision {
        let Some(plan) = ask.plan.take() else {
            return Decision::exempt();
        };
        let now = self.nanos(now);
        // No wider than needed.
        match plan.rates.len() {
            0..=1 => self.decide_one(&ask, plan, now, prepare),
            2..=3 => self.decide_all::<3>(&ask, plan, now, prepare),
            _ => self.decide_all::<MOST>(&ask, plan, now, prepare),
        }
    }

    /// For how many keys there are places.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.verified.capacity() + self.shared.unverified.capacity()
    }

    /// How many bytes that takes, whoever asks.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shared.verified.bytes() + self.shared.unverified.bytes()
    }

    /// Nanoseconds since it was made.
    pub(crate) fn nanos(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.shared.origin);
        // 146 years: a sum with a time of a rate does not overflow.
        let secs = since.as_secs().min(u64::MAX / 4 / NANOS);
        secs * NANOS + u64::from(since.subsec_nanos())
    }

    #[inline]
    fn decide_one(
        &self,
        ask: &Ask,
        plan: Arc<Plan>,
        now: u64,
        prepare: impl Fn(&mut Level<'_>),
    ) -> Decision {
        let mut outcome = Outcome::admitted();
        let table = self.table(ask);
        let policy = plan.rates.first();
        if let Some(mut level) = policy.and_then(|policy| Level::of(ask, policy, 0, table)) {
            prepare(&mut level);
            table.decide_one(&mut level, now);
            outcome.add(&level);
        }
        outcome.under(plan)
    }

    #[inline(never)]
    fn decide_all<const N: usize>(
        &self,
        ask: &Ask,
        plan: Arc<Plan>,
        now: u64,
        prepare: impl Fn(&mut Level<'_>),
    ) -> Decision {
        let Some(first) = plan.rates.first() else {
            return Outcome::admitted().under(plan);
        };
        let table = self.table(ask);
        let mut levels = [Level::new(first, 0, 0, 0); N];
        let mut used = 0;
        for (place, policy) in (0..).zip(&plan.rates) {
            let level = Level::of(ask, policy, place, table);
            if let (Some(level), Some(free)) = (level, levels.get_mut(used)) {
                *free = level;
                prepare(free);
                used += 1;
            }
        }
        let (levels, _) = levels.split_at_mut(used);
        levels.sort_unstable_by_key(|level| level.bucket);
        table.decide(levels, now);
        let mut outcome = Outcome::admitted();
        for level in levels {
            outcome.add(level);
        }
        outcome.under(plan)
    }

    fn table(&self, ask: &Ask) -> &Table {
        match ask.verified {
            true => &self.shared.verified,
            false => &self.shared.unverified,
        }
    }
}

const NANOS: u64 = 1_000_000_000;
