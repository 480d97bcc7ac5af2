use std::time::Duration;

/// What an outcome says of the dependency.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// It did its job, be the answer what it may.
    Success,
    /// It failed.
    Failure,
    /// Nothing, such as a mistake of the caller's that never reached it.
    Ignore,
    /// It failed and asks to be left alone. Should the circuit open, it stays open at least as
    /// long as that, up to [`Backoff::at_most`](crate::Backoff::at_most): a dependency cannot
    /// keep itself shut out for a year.
    Overload {
        /// For how long, if it says so.
        retry_after: Option<Duration>,
    },
}

impl Verdict {
    /// A failure when it is one, else a success.
    #[must_use]
    pub const fn failure_if(failed: bool) -> Self {
        if failed { Self::Failure } else { Self::Success }
    }
}
