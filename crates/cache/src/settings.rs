use std::num::NonZeroUsize;

use towerblock_core::TenantId;
use towerblock_fair::{FairSemaphore, Share};

use crate::Fairness;

/// What the caches of a [`Hub`](crate::Hub) share, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    pub(crate) memory: u64,
    pub(crate) max_value: u64,
    pub(crate) fairness: Fairness,
    pub(crate) loads: Loads,
}

impl Settings {
    /// So many bytes for all entries: keys and values, and what it takes to keep them.
    #[must_use]
    pub const fn memory(bytes: u64) -> Self {
        Self {
            memory: bytes,
            max_value: 1 << 20,
            fairness: Fairness::DEFAULT,
            loads: Loads::DEFAULT,
        }
    }

    /// A larger value is handed out and not stored; in bytes, up to 4 GiB. Default: 1 MiB.
    #[must_use]
    pub const fn max_value_bytes(mut self, bytes: u64) -> Self {
        self.max_value = bytes;
        self
    }

    /// How tenants share the memory. Default: `Fairness::default()`.
    #[must_use]
    pub const fn fairness(mut self, fairness: Fairness) -> Self {
        self.fairness = fairness;
        self
    }

    /// How tenants share the loaders. Default: `Loads::default()`.
    #[must_use]
    pub const fn loads(mut self, loads: Loads) -> Self {
        self.loads = loads;
        self
    }
}

/// How many loaders run at once, and who waits for one.
///
/// A caller that gets no slot is served what is stale, or refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Loads {
    at_most: NonZeroUsize,
    per_tenant: usize,
    waiting: (usize, usize),
}

impl Loads {
    pub(crate) const DEFAULT: Self = Self {
        at_most: NonZeroUsize::MIN.saturating_add(255),
        per_tenant: 32,
        waiting: (1_000, 10_000),
    };

    /// So many at once in all. A quarter of them, at least one, may refresh what is served
    /// stale meanwhile. Default: 256.
    #[must_use]
    pub const fn at_most(mut self, loads: NonZeroUsize) -> Self {
        self.at_most = loads;
        self
    }

    /// So many at once for one tenant, at least 1. Default: 32.
    #[must_use]
    pub const fn per_tenant(mut self, loads: usize) -> Self {
        self.per_tenant = if loads == 0 { 1 } else { loads };
        self
    }

    /// So many loads may wait for a slot, for each tenant and in all. Default: 1,000 and
    /// 10,000.
    #[must_use]
    pub const fn waiting(mut self, per_tenant: usize, in_all: usize) -> Self {
        self.waiting = (per_tenant, in_all);
        self
    }

    pub(crate) fn slots(self) -> FairSemaphore {
        let share = Share::default().at_most(self.per_tenant);
        FairSemaphore::new(self.at_most)
            .queue(self.waiting.0, self.waiting.1)
            .share_of(move |_: &TenantId| share)
            .named("cache")
    }

    pub(crate) fn refreshes(self) -> usize {
        (self.at_most.get() / 4).max(1)
    }
}

impl Default for Loads {
    fn default() -> Self {
        Self::DEFAULT
    }
}
