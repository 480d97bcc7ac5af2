use std::time::Duration;

use tokio::time::Instant;

use crate::mark::Mark;
use crate::{Policy, Verdict};

/// How a call has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Told(Verdict),
    /// Whoever made it is gone.
    Abandoned {
        panicked: bool,
    },
}

impl Outcome {
    /// What a permit reports when it is dropped untold.
    pub(crate) fn dropped() -> Self {
        // Then it unwound through whatever holds the permit, and did come to an end.
        let panicked = std::thread::panicking();
        Self::Abandoned { panicked }
    }

    /// For how many milliseconds the dependency asks to be left alone.
    pub(crate) fn asks_for(self) -> Option<u64> {
        let Self::Told(Verdict::Overload { retry_after }) = self else {
            return None;
        };
        // A longer one is cut anyway; this keeps sums far from overflow.
        let wait = retry_after?.min(Duration::from_secs(24 * 60 * 60));
        u64::try_from(wait.as_millis()).ok()
    }

    /// What it is to a policy, for a call that began then and ends now.
    pub(crate) fn mark(self, policy: &Policy, since: Option<Instant>, now: Instant) -> Mark {
        let took = since.map(|since| now.saturating_duration_since(since));
        let slow = took.is_some_and(|took| policy.is_slow(took));
        match self {
            Self::Told(Verdict::Success) => Mark::Done {
                failed: false,
                slow,
            },
            Self::Told(Verdict::Failure | Verdict::Overload { .. }) => {
                Mark::Done { failed: true, slow }
            }
            Self::Told(Verdict::Ignore) => Mark::Nothing,
            Self::Abandoned { panicked } => {
                let hung = took.is_some_and(|took| policy.is_hung(took));
                if panicked || hung {
                    Mark::Done { failed: true, slow }
                } else {
                    Mark::Nothing
                }
            }
        }
    }
}
