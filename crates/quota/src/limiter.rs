use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::time::Instant;

use crate::decision::Decision;
use crate::level::Level;
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
        // No wider than needed: this is most of what one policy costs.
        match plan.rates.len() {
            0..=1 => self.decide_among::<1>(&ask, plan, now, prepare),
            2..=3 => self.decide_among::<3>(&ask, plan, now, prepare),
            _ => self.decide_among::<MOST>(&ask, plan, now, prepare),
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
        let nanos = now.saturating_duration_since(self.shared.origin).as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX / 4)
    }

    fn decide_among<const N: usize>(
        &self,
        ask: &Ask,
        plan: Arc<Plan>,
        now: Instant,
        prepare: impl Fn(&mut Level<'_>),
    ) -> Decision {
        let Some(first) = plan.rates.first() else {
            return Decision::unlimited(plan);
        };
        let shared = &*self.shared;
        let table = if ask.verified {
            &shared.verified
        } else {
            &shared.unverified
        };
        let now = self.nanos(now);
        let mut levels = [Level::new(first, 0, 0, 0); N];
        let mut used = 0;
        for (place, policy) in (0..).zip(&plan.rates) {
            let key = ask.key(policy.scope, policy.salt);
            if let (Some(key), Some(level)) = (key, levels.get_mut(used)) {
                *level = Level::new(policy, place, key, table.bucket(key));
                level.cost = ask.cost;
                prepare(level);
                used += 1;
            }
        }
        let (levels, _) = levels.split_at_mut(used);
        if used > 1 {
            levels.sort_unstable_by_key(|level| level.bucket);
        }
        table.decide(levels, now);
        let decision = Decision::of(levels);
        decision.under(plan)
    }
}
