use std::fmt;
use std::process::ExitCode;

/// How a service ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use = "an end may be other than clean"]
#[non_exhaustive]
pub struct Ending {
    /// Whether something was still in flight when the grace was over, or when a second signal came.
    pub aborted: bool,
    /// The close hooks that did not come to their end, in the order of their turns.
    pub unfinished: Vec<(&'static str, Fault)>,
}

/// What became of a close hook that did not come to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// It panicked.
    Panicked,
    /// It never ran: the time of all hooks was up, or a further signal came.
    Skipped,
    /// It was dropped when its time, or that of all hooks, was up.
    TimedOut,
}

impl Ending {
    /// Whether nothing was cut off.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        !self.aborted && self.unfinished.is_empty()
    }

    /// What `main` may return: success only if it was clean.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.is_clean() {
            return ExitCode::SUCCESS;
        }
        ExitCode::FAILURE
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panicked => "panicked",
            Self::Skipped => "skipped",
            Self::TimedOut => "timed out",
        })
    }
}
