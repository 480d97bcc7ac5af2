//! Without the feature `redis` each instance limits for itself.

use std::hash::Hash;

use towerblock_core::TenantId;

use crate::limits::Asked;
use crate::{Ask, Decision};

/// Nobody else has to know who asks.
#[derive(Clone, Debug)]
pub(crate) struct Named;

#[expect(clippy::unused_self, reason = "with the feature it is used")]
impl Named {
    pub(crate) const fn nobody() -> Self {
        Self
    }

    pub(crate) const fn of(_: &TenantId) -> Self {
        Self
    }

    pub(crate) fn user(&mut self, _: impl Hash) {}

    pub(crate) const fn route(&mut self, _: &str) {}
}

/// There is none.
#[derive(Clone, Debug)]
pub(crate) enum FleetLimiter {}

impl FleetLimiter {
    pub(crate) fn enter(&self, _: Ask) -> Result<Decision, Asked> {
        match *self {}
    }

    pub(crate) fn bytes(&self) -> usize {
        match *self {}
    }
}
