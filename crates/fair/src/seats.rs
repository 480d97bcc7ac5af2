//! The tenants that wait, or whose slots are counted.

use towerblock_core::TenantId;

use crate::Share;
use crate::list::{Linked, Links, List};
use crate::tenants::{Known, Tenants};

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

impl Known for Seat {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn is_idle(&self) -> bool {
        self.held == 0 && self.waiters.len() == 0 && self.wanted == 0
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

impl Tenants<Seat> {
    /// A tenant to be changed, and then to [`rest`](Self::rest).
    pub(crate) fn enter(&mut self, tenant: &TenantId, share: Share) -> usize {
        match self.find(tenant) {
            Some(seat) => {
                self.rouse(seat);
                seat
            }
            None => self.add(Seat::new(tenant.clone(), share)),
        }
    }
}
