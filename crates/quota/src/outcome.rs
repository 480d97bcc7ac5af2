use std::sync::Arc;

use crate::level::Level;
use crate::state::Judged;
use crate::{Decision, Plan, Source};

/// What the levels of a plan come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// Where the policy stands in the plan.
    pub(crate) tightest: Option<u8>,
    pub(crate) remaining: u64,
    /// In nanoseconds; of a refusal, the wait.
    pub(crate) reset: u64,
    pub(crate) refused_by: Places,
    pub(crate) shadowed_by: Places,
    pub(crate) crowded: bool,
    pub(crate) source: Source,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Verdict {
    Admitted,
    Wait,
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

    pub(crate) const fn has(self, place: usize) -> bool {
        self.0 as usize >> place & 1 == 1
    }
}

impl Outcome {
    /// Limited by nothing so far.
    pub(crate) const fn admitted() -> Self {
        Self {
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

    pub(crate) const fn is_admitted(&self) -> bool {
        matches!(self.verdict, Verdict::Admitted)
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

    /// The plan is that of the levels.
    #[inline]
    pub(crate) const fn under(self, plan: Arc<Plan>) -> Decision {
        Decision {
            plan: Some(plan),
            outcome: self,
        }
    }

    #[inline]
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

    #[inline]
    fn refuse(&mut self, level: &Level<'_>) {
        let (verdict, wait) = match level.judged {
            Judged::Full { wait } | Judged::Blocked { wait } => (Verdict::Wait, wait),
            _ => (Verdict::Never, 0),
        };
        // What never helps outweighs every wait, and a longer wait a shorter one.
        if (verdict, wait) > (self.verdict, self.reset) {
            self.verdict = verdict;
            self.tightest = Some(level.place);
            self.remaining = 0;
            self.reset = wait;
        }
        self.refused_by.add(level.place);
    }
}
