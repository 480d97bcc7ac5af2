use std::fmt;

use crate::holders::{Holders, Part};
use crate::sync::Arc;

/// One slot of a [`FairLimit`](crate::FairLimit); dropping it gives the slot back.
///
/// It may be moved anywhere: into a response future, a body, another task.
#[must_use = "an unused slot is given back at once"]
pub struct Admission {
    shared: Arc<Holders>,
    part: Part,
}

impl Admission {
    pub(crate) const fn new(shared: Arc<Holders>, part: Part) -> Self {
        Self { shared, part }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.shared.give_back(self.part);
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}
