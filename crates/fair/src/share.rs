use std::fmt;
use std::num::NonZeroU32;

use towerblock_core::TenantId;

/// What a tenant may have of a resource that others want, too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Share {
    weight: NonZeroU32,
    at_most: usize,
}

impl Share {
    /// A share of this size beside the others': with 3, three slots for each one of a tenant
    /// with 1. A weight of 0 counts as 1.
    #[must_use]
    pub const fn weight(weight: u32) -> Self {
        let weight = match NonZeroU32::new(weight) {
            Some(weight) => weight,
            None => NonZeroU32::MIN,
        };
        let at_most = usize::MAX;
        Self { weight, at_most }
    }

    /// Never more than so many slots at once, though others are free; with 0, the tenant is
    /// refused. Default: no such cap.
    #[must_use]
    pub const fn at_most(mut self, slots: usize) -> Self {
        self.at_most = slots;
        self
    }

    pub(crate) fn size(self) -> u32 {
        self.weight.get()
    }

    pub(crate) fn cap(self) -> usize {
        self.at_most
    }
}

/// A weight of 1 and no cap.
impl Default for Share {
    fn default() -> Self {
        Self::weight(1)
    }
}

/// The function that knows the share of each tenant.
pub(crate) struct ShareOf(Box<ShareFn>);

type ShareFn = dyn Fn(&TenantId) -> Share + Send + Sync;

impl ShareOf {
    pub(crate) fn new(share_of: impl Fn(&TenantId) -> Share + Send + Sync + 'static) -> Self {
        Self(Box::new(share_of))
    }

    pub(crate) fn of(&self, tenant: &TenantId) -> Share {
        (self.0)(tenant)
    }
}

impl fmt::Debug for ShareOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShareOf")
    }
}
