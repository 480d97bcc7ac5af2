use std::sync::Arc;
use std::time::Duration;

use towerblock_core::{Reason, Rejected};

use crate::level::Level;
use crate::state::Judged;
use crate::{Plan, RatePolicy};

/// What was decided of a request, and by which policy. The layer leaves it in the request's extensions.
#[derive(Clone, Debug)]
pub struct Decision {
    pub(crate) plan: Option<Arc<Plan>>,
    pub(crate) verdict: Verdict,
    /// Where the policy stands in the plan.
    pub(crate) tightest: Option<u8>,
    pub(crate) remaining: u64,
    /// In nanoseconds.
    pub(crate) reset: u64,
    pub(crate) refused_by: Places,
    pub(crate) shadowed_by: Places,
    pub(crate) crowded: bool,
    pub(crate) source: Source,
}

/// What was asked, to decide.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// This process, which limits for itself.
    #[default]
    Here,
    /// Redis.
    Redis,
    /// What Redis had been charged for in advance.
    Lease,
    /// A refusal of Redis's that still holds, or a cost that is more than the limit.
    Remembered,
    /// This instance's part of the rates, because Redis did not answer.
    Share,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Verdict {
    Admitted,
    /// Come back after so many nanoseconds.
    Wait(u64),
    Never,
}

/// Policies of a plan, by their places: one bit each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Places(u8);

impl Places {
    pub(crate) const fn add(&mut self, place: u8) {
        self.0 |= 1 << place;
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn has(self, place: usize) -> bool {
        self.0 as usize >> place & 1 == 1
    }
}

impl Decision {
    pub(crate) const fn exempt() -> Self {
        Self {
            plan: None,
            verdict: Verdict::Admitted,
            tightest: None,
            remaining: u64::MAX,
            reset: 0,
            refused_by: Places(0),
            shadowed_by: Places(0),
            crowded: false,
            source: Source::Here,
        }
    }

    pub(crate) fn unlimited(plan: Arc<Plan>) -> Self {
        Self::exempt().under(plan)
    }

    pub(crate) fn under(mut self, plan: Arc<Plan>) -> Self {
        self.plan = Some(plan);
        self
    }

    /// What these levels come to, under the plan that they are of.
    #[inline]
    pub(crate) fn of(levels: &[Level<'_>]) -> Self {
        let mut decision = Self::exempt();
        for level in levels {
            decision.add(level);
        }
        decision
    }

    #[inline]
    pub(crate) fn add(&mut self, level: &Level<'_>) {
        self.crowded |= level.slot.is_none();
        if level.passes() {
            self.pass(level);
        } else {
            self.refuse(level);
        }
    }

    fn pass(&mut self, level: &Level<'_>) {
        let Judged::Room { remaining, reset } = level.judged else {
            return self.shadowed_by.add(level.place);
        };
        let tighter = self.tightest.is_none() || remaining < self.remaining;
        if self.is_admitted() && tighter && !level.policy.shadow {
            self.tightest = Some(level.place);
            self.remaining = remaining;
            self.reset = reset;
        }
    }

    fn refuse(&mut self, level: &Level<'_>) {
        let verdict = match level.judged {
            Judged::Full { wait, .. } => Verdict::Wait(wait),
            _ => Verdict::Never,
        };
        // What never helps outweighs every wait, and a longer wait a shorter one.
        if verdict > self.verdict {
            self.verdict = verdict;
            self.tightest = Some(level.place);
            self.remaining = 0;
            self.reset = match verdict {
                Verdict::Wait(wait) => wait,
                _ => 0,
            };
        }
        self.refused_by.add(level.place);
    }

    /// Whether the request may go on.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        matches!(self.verdict, Verdict::Admitted)
    }

    /// The refusal, if it is one.
    #[must_use]
    pub const fn rejected(&self) -> Option<Rejected> {
        match self.verdict {
            Verdict::Admitted => None,
            Verdict::Wait(wait) => {
                let wait = Duration::from_nanos(wait);
                Some(Rejected::new("quota", Reason::RateLimited).with_retry_after(wait))
            }
            Verdict::Never => Some(Rejected::new("quota", Reason::CostAboveBurst)),
        }
    }

    /// What was asked, to decide.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// The plan; none for those that are exempt.
    #[must_use]
    pub const fn plan(&self) -> Option<&Arc<Plan>> {
        self.plan.as_ref()
    }

    /// Of those that refuse, the policy that allows least after this request, or that is to be waited for
    /// longest. None if nothing limits it.
    #[must_use]
    pub fn policy(&self) -> Option<&RatePolicy> {
        let place = usize::from(self.tightest?);
        self.plan.as_ref()?.rates.get(place)
    }

    /// How many units are left under that policy.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.remaining
    }

    /// After how long, if nobody asks, all of that policy may be used again; of a refusal, when to
    /// come back.
    #[must_use]
    pub const fn reset(&self) -> Duration {
        Duration::from_nanos(self.reset)
    }

    /// The policies that refuse it.
    pub fn violated(&self) -> impl Iterator<Item = &RatePolicy> {
        self.in_places(self.refused_by)
    }

    /// The policies in [shadow](RatePolicy::shadow) that would have refused it.
    pub fn shadowed(&self) -> impl Iterator<Item = &RatePolicy> {
        self.in_places(self.shadowed_by)
    }

    fn in_places(&self, places: Places) -> impl Iterator<Item = &RatePolicy> {
        let rates = self.plan.iter().flat_map(|plan| plan.rates.iter());
        let here = rates
            .enumerate()
            .filter(move |(place, _)| places.has(*place));
        here.map(|(_, policy)| policy)
    }
}
