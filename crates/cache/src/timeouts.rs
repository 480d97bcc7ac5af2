use std::time::Duration;

/// How long a load may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    pub(crate) hard: Duration,
    pub(crate) with_stale: Option<Duration>,
    pub(crate) in_background: Duration,
    pub(crate) elsewhere: Duration,
}

impl Timeouts {
    /// Nobody waits longer than this for a load, a slot for it included; more than zero.
    #[must_use]
    pub const fn new(hard: Duration) -> Self {
        let least = Duration::from_secs(30);
        let in_background = if hard.as_nanos() > least.as_nanos() {
            hard
        } else {
            least
        };
        Self {
            hard,
            with_stale: None,
            in_background,
            elsewhere: Duration::ZERO,
        }
    }

    /// Who can be served a stale value waits no longer than this, which is less than the hard
    /// one. Default: as long as others.
    #[must_use]
    pub const fn with_stale(mut self, soft: Duration) -> Self {
        self.with_stale = Some(soft);
        self
    }

    /// A load for which nobody waits any more may end, and be stored, within so long of its
    /// start; then it is dropped. Not less than the hard one. Default: 30 s, or the hard one
    /// if that is longer.
    #[must_use]
    pub const fn in_background(mut self, most: Duration) -> Self {
        self.in_background = most;
        self
    }

    /// Waits so long for another instance that is loading the same key, before this one loads
    /// it, too: where there are many instances, or a load is dear. Default: zero.
    #[must_use]
    pub const fn elsewhere(mut self, most: Duration) -> Self {
        self.elsewhere = most;
        self
    }
}
