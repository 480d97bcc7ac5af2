//! Whether to try again, where, and when.

use std::time::Duration;

use crate::binding::Mode;
use crate::fault::{Fault, fault_of};
use crate::statement::Failure;

/// In all.
pub(crate) const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Again {
    No,
    /// After a pause.
    Later,
    /// At once, for it is another server's turn.
    Elsewhere,
}

/// What to do about a failure. Only who may do a thing twice does it again where it may have
/// been done.
pub(crate) fn again(failure: &Failure, mode: Mode, may_repeat: bool) -> Again {
    match failure {
        Failure::Pooled => Again::No,
        Failure::AtCommit(_) if mode == Mode::Write && !may_repeat => Again::No,
        Failure::Before(error) | Failure::AtCommit(error) => again_after(fault_of(mode, error)),
    }
}

/// What to do about something that was not done.
pub(crate) const fn again_after(fault: Fault) -> Again {
    match fault {
        Fault::Conflict | Fault::Away => Again::Later,
        Fault::Replay | Fault::ReadOnly => Again::Elsewhere,
        Fault::Lasting | Fault::TimedOut => Again::No,
    }
}

/// How long to wait before the attempt with this number, which is 1 for the second: anything
/// up to twice as long as before the last ("full jitter"). `chance` is any number.
pub(crate) fn pause(attempt: u32, chance: u64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(16));
    let most = doubled.min(LONGEST_PAUSE);
    let permille = u32::try_from(chance % 1_001).unwrap_or(1_000);
    most * permille / 1_000
}
