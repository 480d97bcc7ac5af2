use std::fmt;
use std::mem;

use towerblock_core::TenantId;

use crate::Acquire;
use crate::shared::Shared;
use crate::sync::Arc;
use crate::turns::Taken;

/// One slot of a [`FairSemaphore`](crate::FairSemaphore); dropping it gives the slot back, to
/// whoever's turn it is.
///
/// It may be moved anywhere: into a connection, a response body, another task.
#[must_use = "an unused slot is given back at once"]
pub struct Slot {
    shared: Arc<Shared>,
    taken: Option<Taken>,
}

impl Slot {
    pub(crate) fn new(shared: Arc<Shared>, taken: Taken) -> Self {
        let taken = Some(taken);
        Self { shared, taken }
    }
}

impl Slot {
    /// Gives this slot back and waits for another, before those of the tenant who wait
    /// already: for whoever found that what the slot stands for is not there. It waits where
    /// the queue is full as well.
    ///
    /// # Errors
    ///
    /// `Draining` after [`close`](crate::FairSemaphore::close).
    pub fn exchange(mut self, tenant: &TenantId) -> Acquire {
        let taken = mem::take(&mut self.taken);
        Shared::exchange(&self.shared, taken, tenant)
    }
}

impl Drop for Slot {
    #[inline]
    fn drop(&mut self) {
        if let Some(taken) = mem::take(&mut self.taken) {
            self.shared.give_back(taken);
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}
