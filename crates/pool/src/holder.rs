//! Who holds a connection, and since when: for whoever gets none.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use towerblock_core::TenantId;

/// Of one connection.
#[derive(Debug, Default)]
pub(crate) struct Holder {
    is_out: AtomicBool,
    /// Taken where the connection is handed out, and by who asks why there is none.
    last: Mutex<Option<Held>>,
}

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
        *self.last() = Some(by);
        self.is_out.store(true, Ordering::Release);
    }

    /// Who had it stays known, which saves a lock.
    pub(crate) fn given_back(&self) {
        self.is_out.store(false, Ordering::Relaxed);
    }

    pub(crate) fn held(&self) -> Option<Held> {
        let is_out = self.is_out.load(Ordering::Acquire);
        is_out.then(|| self.last().clone())?
    }

    fn last(&self) -> MutexGuard<'_, Option<Held>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
