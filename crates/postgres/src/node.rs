use std::mem;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use towerblock_core::TenantId;
use towerblock_pool::{Pool, PoolError};

use crate::loan::{Cleaners, Loan};
use crate::probe::Sighting;
use crate::server::Server;
use crate::session::Manager;
use crate::settings::Settings;
use crate::url::Target;

/// A server, and the connections to it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) server: Arc<Server>,
    pub(crate) pool: Pool<Manager>,
    pub(crate) cleaners: Arc<Cleaners>,
    seen: Mutex<Seen>,
    /// Rings when it is seen to be away.
    gone: Notify,
}

/// What was last heard of a server.
#[derive(Clone, Copy, Debug)]
enum Seen {
    Nothing,
    Here(Sighting),
    Away,
}

impl Node {
    pub(crate) fn start(
        name: Arc<str>,
        target: Target,
        size: NonZeroUsize,
        settings: &Settings,
    ) -> Self {
        let server = Arc::new(Server::new(name, target, settings.limits.call));
        let of_pool = towerblock_pool::Settings::default()
            .acquire_timeout(settings.limits.acquire)
            .connect_timeout(settings.limits.connect)
            .min_idle(settings.min_idle);
        let manager = Manager::new(Arc::clone(&server), settings.keeps);
        let pool = Pool::start(manager, size, settings.slots(), of_pool);
        Self {
            cleaners: Arc::new(Cleaners::new(Arc::clone(&server))),
            server,
            pool,
            seen: Mutex::new(Seen::Nothing),
            gone: Notify::new(),
        }
    }

    pub(crate) fn saw(&self, sighting: Option<Sighting>) {
        let seen = sighting.map_or(Seen::Away, Seen::Here);
        let was = mem::replace(&mut *self.seen(), seen);
        if matches!((was, seen), (Seen::Nothing | Seen::Here(_), Seen::Away)) {
            self.gone.notify_waiters();
        }
    }

    /// What `work` comes to, unless the server is seen to be away before.
    pub(crate) async fn unless_away<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        // Cancel safety: `work` is dropped where it stands.
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.went_away() => None,
        }
    }

    async fn went_away(&self) {
        let mut gone = pin!(self.gone.notified());
        gone.as_mut().enable();
        if !self.is_away() {
            gone.await;
        }
    }

    /// Whether it did not answer when it was last asked.
    pub(crate) fn is_away(&self) -> bool {
        matches!(*self.seen(), Seen::Away)
    }

    /// What it said when it was last asked.
    pub(crate) fn sighting(&self) -> Option<Sighting> {
        match *self.seen() {
            Seen::Here(sighting) => Some(sighting),
            Seen::Nothing | Seen::Away => None,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection, when it is this tenant's turn.
    pub(crate) async fn lend(&self, tenant: &TenantId) -> Result<Loan, PoolError> {
        let session = self.pool.get(tenant).await?;
        Ok(Loan::new(session, Arc::clone(&self.cleaners)))
    }

    /// Returns how many connections are still in use.
    pub(crate) async fn drain(&self, patience: Duration) -> usize {
        self.pool.drain(patience).await
    }
}
