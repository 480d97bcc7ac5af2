use std::num::NonZeroUsize;

use towerblock_core::TenantId;

const TOP: NonZeroUsize = NonZeroUsize::new(100).unwrap();
const TRACKED: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();

/// Which tenants have series of their own, and how many are known at all.
#[derive(Clone, Debug)]
#[must_use = "a board is made of it"]
pub struct Exposure {
    pub(crate) top: NonZeroUsize,
    pub(crate) pinned: Vec<TenantId>,
    pub(crate) tracked: NonZeroUsize,
}

impl Exposure {
    /// So many tenants have series, beside the pinned ones: a third each of those with most
    /// requests, most errors and most time. A hundred is the [default](Self::default).
    pub const fn top(top: NonZeroUsize) -> Self {
        Self {
            top,
            pinned: Vec::new(),
            tracked: TRACKED,
        }
    }

    /// These have series from the start to the end, and are not counted among the top.
    /// Default: none.
    pub fn pin(mut self, tenants: impl IntoIterator<Item = TenantId>) -> Self {
        self.pinned.extend(tenants);
        self
    }

    /// Knows so many tenants at once, rounded up to a multiple of 64, at some 1.3 kB each;
    /// beyond it, those who ask for least are forgotten. Leave room for a third more than there
    /// are: tenants do not spread evenly. Default: 16,384.
    pub const fn track(mut self, tenants: NonZeroUsize) -> Self {
        self.tracked = tenants;
        self
    }
}

impl Default for Exposure {
    fn default() -> Self {
        Self::top(TOP)
    }
}
