use std::sync::Arc;
use std::time::Duration;

use towerblock_core::{Reason, Rejected};

use crate::outcome::{Outcome, Places, Verdict};
use crate::{Plan, RatePolicy};

/// What was decided of a request, and by which policy. The layer leaves it in the request's extensions.
#[derive(Clone, Debug)]
pub struct Decision {
    pub(crate) plan: Option<Arc<Plan>>,
    pub(crate) outcome: Outcome,
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

impl Decision {
    pub(crate) const fn exempt() -> Self {
        let outcome = Outcome::admitted();
        Self {
            plan: None,
            outcome,
        }
    }

    /// Whether the request may go on.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        self.outcome.is_admitted()
    }

    /// The refusal, if it is one.
    #[must_use]
    pub const fn rejected(&self) -> Option<Rejected> {
        match self.outcome.verdict {
            Verdict::Admitted => None,
            Verdict::Wait => {
                let refused = Rejected::new("quota", Reason::RateLimited);
                Some(refused.with_retry_after(self.reset()))
            }
            Verdict::Never => Some(Rejected::new("quota", Reason::CostAboveBurst)),
        }
    }

    /// What was asked, to decide.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.outcome.source
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
        let place = usize::from(self.outcome.tightest?);
        self.plan.as_ref()?.rates.get(place)
    }

    /// How many units are left under that policy.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.outcome.remaining
    }

    /// After how long, if nobody asks, all of that policy may be used again; of a refusal, when to
    /// come back.
    #[must_use]
    pub const fn reset(&self) -> Duration {
        Duration::from_nanos(self.outcome.reset)
    }

    /// The policies that refuse it.
    pub fn violated(&self) -> impl Iterator<Item = &RatePolicy> {
        self.in_places(self.outcome.refused_by)
    }

    /// The policies in [shadow](RatePolicy::shadow) that would have refused it.
    pub fn shadowed(&self) -> impl Iterator<Item = &RatePolicy> {
        self.in_places(self.outcome.shadowed_by)
    }

    fn in_places(&self, places: Places) -> impl Iterator<Item = &RatePolicy> {
        let rates = self.plan.iter().flat_map(|plan| plan.rates.iter());
        let here = rates
            .enumerate()
            .filter(move |(place, _)| places.has(*place));
        here.map(|(_, policy)| policy)
    }
}
