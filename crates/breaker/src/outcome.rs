use std::time::Duration;

use tokio::time::Instant;

use crate::switch::Mark;
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

    /// What it is to a policy, for a call that began then.
    pub(crate) fn mark(self, policy: &Policy, since: Option<Instant>) -> Mark {
        let timed = || policy.times_all().then_some(since).flatten();
        let slow = || timed().is_some_and(|since| policy.is_slow(since.elapsed()));
        match self {
            Self::Told(Verdict::Success) => Mark::Done {
                failed: false,
                slow: slow(),
            },
            Self::Told(Verdict::Failure | Verdict::Overload { .. }) => Mark::Done {
                failed: true,
                slow: slow(),
            },
            Self::Told(Verdict::Ignore) => Mark::Nothing,
            Self::Abandoned { panicked } => {
                let hung = || since.is_some_and(|since| policy.is_hung(since.elapsed()));
                if panicked || hung() {
                    Mark::Done {
                        failed: true,
                        slow: slow(),
                    }
                } else {
                    Mark::Nothing
                }
            }
        }
    }
}
