use std::sync::Arc;

use tokio::time::Instant;
use towerblock_core::TenantId;

use crate::Aging;
use crate::aging::Age;
use crate::holder::Holder;
use crate::live::Live;

/// A connection as the engine below keeps it; counted as open until it is dropped.
#[derive(Debug)]
pub(crate) struct Kept<C> {
    pub(crate) connection: C,
    pub(crate) age: Age,
    pub(crate) holder: Arc<Holder>,
    /// Who had it last.
    pub(crate) tenant: Option<TenantId>,
    /// To be closed when it comes back: a test failed, or was left before its end.
    pub(crate) is_condemned: bool,
    live: Arc<Live>,
    /// Last, so that it is counted as closed once it is.
    _open: Open,
}

/// Counts one connection as open until it is dropped.
#[derive(Debug)]
struct Open(Arc<Live>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed();
    }
}

impl<C> Kept<C> {
    pub(crate) fn new(connection: C, live: Arc<Live>, aging: Aging, chance: u64) -> Self {
        live.opened();
        Self {
            connection,
            age: Age::new(Instant::now(), aging, chance),
            holder: live.holder(),
            tenant: None,
            is_condemned: false,
            _open: Open(Arc::clone(&live)),
            live,
        }
    }

    /// Whether it must not be used again, for what is known here: `now` is when it was used
    /// last.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.is_condemned
            || self.age.is_expired(now)
            || self.live.is_closed()
            || self.live.is_crowded()
    }
}
