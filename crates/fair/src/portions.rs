//! The policy of the limit: whether a tenant may have one more.

use towerblock_core::Reason;

use crate::Share;

/// How many there may be, and from where on shares count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portions {
    limit: usize,
    soft: usize,
}

impl Portions {
    pub(crate) fn new(limit: usize, soft: usize) -> Self {
        Self { limit, soft }
    }

    pub(crate) fn are_taken(self, total: usize) -> bool {
        total >= self.limit
    }

    /// Whether a tenant that holds so many may have one more, when `total` are in use, by
    /// tenants whose weights are `active` in sum, this one among them.
    ///
    /// One tenant more is counted, of weight 1, which may come: else one alone would fill the
    /// limit, and whoever came then would be refused while it fills each gap again.
    pub(crate) fn allow(
        self,
        total: usize,
        held: usize,
        share: Share,
        active: u64,
    ) -> Result<(), Reason> {
        if self.are_taken(total) {
            return Err(Reason::Overloaded);
        }
        if held >= share.cap() {
            return Err(Reason::OverShare);
        }
        // held < limit * weight / (active + 1), without the division. 0 is always less.
        let wanted = (held as u64).saturating_mul(active.saturating_add(1));
        let part = (self.limit as u64).saturating_mul(u64::from(share.size()));
        if total < self.soft || wanted < part {
            Ok(())
        } else {
            Err(Reason::OverShare)
        }
    }
}

/// So many percent of the limit.
pub(crate) fn soft(limit: usize, percent: usize) -> usize {
    limit / 100 * percent + limit % 100 * percent / 100
}
