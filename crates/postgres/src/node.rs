use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use towerblock_core::TenantId;
use towerblock_pool::{Pool, PoolError};

use crate::loan::{Cleaners, Loan};
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
        }
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
