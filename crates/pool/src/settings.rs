use std::time::Duration;

use crate::{Aging, Connects, Validation};

/// How a [`Pool`](crate::Pool) opens, tests and closes its connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    pub(crate) acquire_timeout: Duration,
    pub(crate) connects: Connects,
    pub(crate) min_idle: usize,
    pub(crate) validation: Validation,
    pub(crate) aging: Aging,
    pub(crate) looks: usize,
}

impl Settings {
    /// The longest that anybody waits for a connection. Default: 2 s.
    #[must_use]
    pub const fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// How connections are opened. Default: two at a time, for 5 s at most.
    #[must_use]
    pub const fn connects(mut self, connects: Connects) -> Self {
        self.connects = connects;
        self
    }

    /// Connections that are opened ahead and not closed for being idle. Default: none.
    #[must_use]
    pub const fn min_idle(mut self, connections: usize) -> Self {
        self.min_idle = connections;
        self
    }

    /// When a connection is tested before it is handed out. Default: after 500 ms without
    /// use, for 200 ms at most.
    #[must_use]
    pub const fn validation(mut self, validation: Validation) -> Self {
        self.validation = validation;
        self
    }

    /// When a connection is closed though nothing is wrong with it. Default: after some 30
    /// min, and after 10 min without use.
    #[must_use]
    pub const fn aging(mut self, aging: Aging) -> Self {
        self.aging = aging;
        self
    }

    /// Looks at so many idle connections for one that the tenant was the last to have, where
    /// that is worth something. Default: 1, which is whichever was used last.
    #[must_use]
    pub const fn prefer_own(mut self, looks: usize) -> Self {
        self.looks = looks;
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            acquire_timeout: Duration::from_secs(2),
            connects: Connects::default(),
            min_idle: 0,
            validation: Validation::default(),
            aging: Aging::default(),
            looks: 1,
        }
    }
}
