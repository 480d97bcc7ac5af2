//! Who holds a connection, and since when: for whoever gets none.

use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use towerblock_core::TenantId;

/// Of one connection. Its lock is taken by the connection's user, and by who asks why there
/// is no connection.
#[derive(Debug, Default)]
pub(crate) struct Holder(Mutex<Option<Held>>);

/// A connection that is in use.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Held {
    /// By whom.
    pub tenant: TenantId,
    /// Where in the code it was asked for.
    pub at: &'static Location<'static>,
    /// Since when.
    pub since: Instant,
}

impl Holder {
    pub(crate) fn taken(&self, by: Held) {
        *self.lock() = Some(by);
    }

    pub(crate) fn given_back(&self) {
        *self.lock() = None;
    }

    pub(crate) fn held(&self) -> Option<Held> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
