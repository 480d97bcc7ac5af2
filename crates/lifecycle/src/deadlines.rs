use std::time::Duration;

/// How long each part of stopping may take.
///
/// What supervises the process (`terminationGracePeriodSeconds`, `TimeoutStopSec`) must wait for a
/// little longer than the [`total`](Self::total).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "deadlines do nothing until a lifecycle gets them"]
pub struct Deadlines {
    pub(crate) drain: Duration,
    pub(crate) grace: Duration,
    pub(crate) close: Duration,
}

impl Deadlines {
    /// How long readiness fails while connections are still accepted. Longer than it takes all
    /// balancers to notice: their interval × the failures they want to see. It is spent in full.
    /// Zero where nothing balances. Default: 5 s.
    pub const fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// How long what is in flight may go on once nothing new is accepted; then it is cut off.
    /// Default: 15 s.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long all close hooks may take together. Default: 10 s.
    pub const fn close(mut self, close: Duration) -> Self {
        self.close = close;
        self
    }

    /// The longest that stopping takes.
    #[must_use]
    pub const fn total(&self) -> Duration {
        let all = self.drain.saturating_add(self.grace);
        all.saturating_add(self.close)
    }
}

impl Default for Deadlines {
    /// 30 seconds in all.
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(5),
            grace: Duration::from_secs(15),
            close: Duration::from_secs(10),
        }
    }
}
