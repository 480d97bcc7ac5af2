//! The tenants that wait, or whose slots are counted.

use towerblock_core::TenantId;

use crate::Share;
use crate::known::{Known, Named};
use crate::list::{Linked, Links, List};

/// Where a tenant stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// It has nobody waiting.
    Idle,
    /// It waits for slots that are reserved for it, which go before all turns.
    Owed,
    /// It waits for its turn.
    Ring,
    /// It waits, and has all that it may have at once.
    Capped,
}

#[derive(Debug)]
pub(crate) struct Seat {
    tenant: TenantId,
    pub(crate) share: Share,
    pub(crate) place: Place,
    /// Slots that it had in this turn.
    pub(crate) had: u32,
    pub(crate) held: usize,
    pub(crate) waiters: List,
    /// Slots that only this tenant may use; `wanted` were asked for.
    pub(crate) reserve: usize,
    pub(crate) wanted: usize,
    links: Links,
}

impl Seat {
    pub(crate) fn new(tenant: TenantId, share: Share) -> Self {
        Self {
            tenant,
            share,
            place: Place::Idle,
            had: 0,
            held: 0,
            waiters: List::default(),
            reserve: 0,
            wanted: 0,
            links: Links::default(),
        }
    }

    /// Where it should stand.
    pub(crate) fn due(&self) -> Place {
        if self.waiters.len() == 0 {
            Place::Idle
        } else if self.held >= self.share.cap() {
            Place::Capped
        } else if self.held < self.reserve {
            Place::Owed
        } else {
            Place::Ring
        }
    }

    /// How many wait, by weight.
    pub(crate) fn backlog(&self) -> u64 {
        backlog(self.waiters.len(), self.share)
    }
}

impl Named for Seat {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

impl Linked for Seat {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// How long a queue is beside others', by weight: in 2^-16, which keeps small differences.
pub(crate) fn backlog(waiting: usize, share: Share) -> u64 {
    ((waiting as u64) << 16) / u64::from(share.size())
}

impl Known<Seat> {
    pub(crate) fn find_or_add(&mut self, tenant: &TenantId, share: Share) -> usize {
        self.find(tenant)
            .unwrap_or_else(|| self.add(Seat::new(tenant.clone(), share)))
    }

    /// Forgets a tenant that has nothing, waits for nothing, and has nothing reserved.
    pub(crate) fn forget_idle(&mut self, seat: usize) {
        let idle = self.arena.at(seat);
        if idle.held == 0 && idle.waiters.len() == 0 && idle.wanted == 0 {
            self.remove(seat);
        }
    }
}
