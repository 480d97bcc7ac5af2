//! The connections to one server, which tenants share in turns; and what errors mean to a
//! client.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, Error, Row};
use towerblock_core::{BoxError, Reason, Rejected, TenantId};
use towerblock_fair::FairSemaphore;
use towerblock_pool::{Pooled, Settings, Status};

use super::bind::{Binding, Mode, Parameter};
use super::directory::{Directory, Lease};
use super::manager::{CONNECT_TIMEOUT, Manager};
use crate::store::StoreError;

/// For a connection, and then for the answer.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Pool {
    name: String,
    /// Whether it was all there when somebody last looked.
    usable: AtomicBool,
    inner: towerblock_pool::Pool<Manager>,
    directory: Directory,
}

impl Pool {
    pub(super) fn new(
        name: String,
        config: &tokio_postgres::Config,
        size: NonZeroUsize,
        kept: usize,
    ) -> Self {
        let settings = Settings::default()
            .acquire_timeout(PATIENCE)
            .connect_timeout(CONNECT_TIMEOUT)
            .min_idle(kept);
        let slots = FairSemaphore::new(size);
        let manager = Manager::new(config.clone());
        Self {
            name,
            usable: AtomicBool::new(false),
            inner: towerblock_pool::Pool::start(manager, size, slots, settings),
            directory: Directory::new(config),
        }
    }

    /// Runs one statement, bound to whose rows it may see. Nobody waits for a server that
    /// was away when somebody last looked.
    pub(super) async fn query(
        &self,
        tenant: &TenantId,
        binding: Binding,
        mode: Mode,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        if !self.is_usable() {
            return Err(self.unavailable("not ready"));
        }
        let work = async |client: &Client| binding.query(client, mode, statement, parameters).await;
        self.with(tenant, work).await
    }

    /// Does a thing on a connection. Dropped or too late, it takes the connection with it:
    /// the next to have it would wait for our answer first.
    pub(super) async fn with<T>(
        &self,
        tenant: &TenantId,
        work: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        let mut connection = self.get(tenant).await?;
        connection.in_flight = true;
        // Cancel safety: what is dropped here is in flight, and the pool closes it.
        let outcome = timeout(PATIENCE, work(&connection.client)).await;
        let answer = outcome.map_err(|_| self.unavailable("no answer in time"))?;
        connection.in_flight = false;
        answer.map_err(|error| self.explain(error))
    }

    /// A connection, when it is this tenant's turn.
    pub(super) async fn get(&self, tenant: &TenantId) -> Result<Pooled<Manager>, StoreError> {
        let got = self.inner.get(tenant).await;
        got.map_err(|error| match error.rejected().reason() {
            Reason::Unavailable => self.unavailable(&error.to_string()),
            // It answers, and has too much to do.
            _ => {
                tracing::debug!(pool = self.name, %error);
                StoreError::Refused(*error.rejected())
            }
        })
    }

    /// A connection beside the pool's, to look tenants up: who is asking must be known while
    /// tenants hold all others.
    pub(super) async fn directory(&self) -> Result<Lease, BoxError> {
        self.directory.lease().await
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_usable(&self) -> bool {
        self.usable.load(Ordering::Relaxed)
    }

    /// Tells what was seen, and returns whether it is news.
    pub(super) fn set_usable(&self, usable: bool) -> bool {
        self.usable.swap(usable, Ordering::Relaxed) != usable
    }

    pub(super) async fn drain(&self, patience: Duration) -> usize {
        self.inner.drain(patience).await
    }

    pub(super) fn status(&self) -> Status {
        self.inner.status()
    }

    /// What the server cannot do now is no error of ours.
    fn explain(&self, error: Error) -> StoreError {
        let is_passing = match error.code() {
            // Lost, out of resources, shutting down; in conflict with what a standby
            // replays; not the primary; not set up yet.
            Some(code) => ["08", "53", "57", "40", "25006", "3F000", "42P01"]
                .iter()
                .any(|class| code.code().starts_with(class)),
            None => {
                let source = std::error::Error::source(&error);
                error.is_closed()
                    || source.is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
            }
        };
        if is_passing {
            return self.unavailable(&error.to_string());
        }
        StoreError::Database(error)
    }

    fn unavailable(&self, why: &str) -> StoreError {
        let why = format!("{}: {why}", self.name);
        tracing::debug!(why, "the database is unavailable");
        let rejected = Rejected::new("database", Reason::Unavailable);
        StoreError::Unavailable { why, rejected }
    }
}
