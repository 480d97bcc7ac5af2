use std::fmt;

use crate::limit::Shared;
use crate::sync::Arc;

/// One slot of a [`FairLimit`](crate::FairLimit); dropping it gives the slot back.
///
/// It may be moved anywhere: into a response future, a body, another task.
#[must_use = "an unused slot is given back at once"]
pub struct Admission {
    shared: Arc<Shared>,
    shard: usize,
    holder: usize,
}

impl Admission {
    pub(crate) fn new(shared: Arc<Shared>, shard: usize, holder: usize) -> Self {
        Self {
            shared,
            shard,
            holder,
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.shared.give_back(self.shard, self.holder);
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}
