use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::Reason;

/// A layer refused a request before the inner service saw it.
///
/// Every Towerblock layer refuses with this one type, so the edge of a service needs
/// a single downcast to turn any refusal into a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rejected {
    by: &'static str,
    reason: Reason,
    retry_after: Option<Duration>,
}

impl Rejected {
    /// A refusal `by` a layer or circuit, that does not say when to come back.
    #[must_use]
    pub const fn new(by: &'static str, reason: Reason) -> Self {
        Self {
            by,
            reason,
            retry_after: None,
        }
    }

    /// Tells the caller when a retry may succeed.
    #[must_use]
    pub const fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Which layer or circuit refused: for logs, never for the client.
    #[must_use]
    pub const fn by(&self) -> &'static str {
        self.by
    }

    /// Why the request was refused.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// When a retry may succeed, if the layer knows.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused by {}: {}", self.by, self.reason)
    }
}

impl Error for Rejected {}
