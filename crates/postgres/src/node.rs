use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use towerblock_core::TenantId;
use towerblock_pool::{Connects, Pool, PoolError};

use crate::fault::Fault;
use crate::loan::{Cleaners, Loan};
use crate::lsn::Position;
use crate::server::{Role, Server};
use crate::session::Manager;
use crate::settings::Settings;
use crate::standing::{Health, Standing};
use crate::url::Target;

/// For a connection whose catalog already has the tables of a tenant: more cost more than they
/// find.
const LOOKS: usize = 4;

/// A server, and the connections to it.
#[derive(Debug)]
pub(crate) struct Node {
    /// In the order of the URLs.
    pub(crate) number: usize,
    pub(crate) server: Arc<Server>,
    pub(crate) pool: Pool<Manager>,
    pub(crate) cleaners: Arc<Cleaners>,
    pub(crate) standing: Arc<Standing>,
    /// Rings when it is seen to be away.
    gone: Notify,
}

impl Node {
    pub(crate) fn start(
        number: usize,
        target: Target,
        size: NonZeroUsize,
        settings: &Settings,
    ) -> Self {
        let name = match number {
            0 => "primary".into(),
            _ => format!("replica-{}", number - 1).into(),
        };
        let server = Arc::new(Server::new(name, target, settings.limits.statement()));
        let mut connects = Connects::default();
        connects.timeout = settings.limits.connect;
        let of_pool = towerblock_pool::Settings::default()
            .acquire_timeout(settings.limits.acquire)
            .connects(connects)
            .min_idle(settings.min_idle)
            .prefer_own(LOOKS);
        let manager = Manager::new(Arc::clone(&server), settings.keeps);
        let pool = Pool::start(manager, size, settings.slots(), of_pool);
        Self {
            number,
            cleaners: Arc::new(Cleaners::new(Arc::clone(&server))),
            server,
            pool,
            standing: Arc::default(),
            gone: Notify::new(),
        }
    }

    pub(crate) fn is_away(&self, now: Instant) -> bool {
        self.standing.candidate(now).health == Health::Dead
    }

    /// Not necessarily as a primary that others follow.
    pub(crate) fn takes_writes(&self) -> bool {
        self.server.role.get() == Role::Primary
    }

    /// When it last answered the monitor.
    pub(crate) fn last_seen(&self, now: Instant) -> Option<Instant> {
        let seen = self.standing.candidate(now).seen;
        seen.map(|seen| seen.at)
    }

    /// How far it was when it was last asked.
    pub(crate) fn position(&self, now: Instant) -> Option<Position> {
        let seen = self.standing.candidate(now).seen;
        seen.map(|seen| seen.position)
    }

    /// How a call ended, after so long.
    pub(crate) fn tell(&self, fault: Option<Fault>, took: Duration) {
        let now = Instant::now();
        match fault {
            Some(Fault::Away) => {
                let ejected = self.standing.failed(RandomState::new().hash_one(()), now);
                if ejected {
                    let name = &*self.server.name;
                    tracing::warn!(name, "calls to a server of the database fail");
                }
            }
            // An error of a statement is an answer.
            _ => self.standing.answered(took, now),
        }
    }

    pub(crate) fn died(&self, now: Instant) {
        if self.standing.died(RandomState::new().hash_one(()), now) {
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
        if !self.is_away(Instant::now()) {
            gone.await;
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
