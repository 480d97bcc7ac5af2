//! Connections, for now in a pool of bb8's; and what their errors mean to a client.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bb8::PooledConnection;
use tokio::time::timeout;
use tokio_postgres::{Client, Error, Row};
use towerblock_core::{BoxError, Reason, Rejected};

use super::bind::{Binding, Mode, Parameter};
use super::directory::{Directory, Lease};
use super::manager::{LastError, Manager};
use crate::store::StoreError;

/// For a connection, and then for the answer.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Pool {
    name: String,
    size: u32,
    /// Whether it was all there when somebody last looked.
    usable: AtomicBool,
    last_error: LastError,
    inner: bb8::Pool<Manager>,
    directory: Directory,
}

impl Pool {
    pub(super) fn new(name: String, config: &tokio_postgres::Config, size: u32, kept: u32) -> Self {
        let last_error = LastError::default();
        let inner = bb8::Pool::builder()
            .max_size(size)
            .min_idle(kept)
            .connection_timeout(PATIENCE)
            // A round trip for every checkout; `get` looks at what is known instead.
            .test_on_check_out(false)
            .error_sink(Box::new(last_error.clone()))
            .build_unchecked(Manager::new(config.clone()));
        Self {
            name,
            size,
            usable: AtomicBool::new(false),
            last_error,
            inner,
            directory: Directory::new(config),
        }
    }

    /// Runs one statement, bound to whose rows it may see. Nobody waits for a server that
    /// was away when somebody last looked.
    pub(super) async fn query(
        &self,
        binding: Binding,
        mode: Mode,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        if !self.is_usable() {
            return Err(self.unavailable("not ready"));
        }
        self.with(async |client| binding.query(client, mode, statement, parameters).await)
            .await
    }

    /// Does a thing on a connection. Dropped or too late, it takes the connection with it:
    /// the next to have it would wait for our answer first.
    pub(super) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        let mut connection = self.get().await?;
        connection.in_flight = true;
        // Cancel safety: what is dropped here is in flight, and the pool closes it.
        let outcome = timeout(PATIENCE, work(&connection.client)).await;
        let answer = outcome.map_err(|_| self.unavailable("no answer in time"))?;
        connection.in_flight = false;
        answer.map_err(|error| self.explain(error))
    }

    pub(super) async fn get(&self) -> Result<PooledConnection<'_, Manager>, StoreError> {
        let open = async {
            // A server that restarted leaves closed connections behind, one after another.
            loop {
                let connection = self.inner.get().await.ok()?;
                if !connection.client.is_closed() {
                    return Some(connection);
                }
            }
        };
        let connection = timeout(PATIENCE, open).await.ok().flatten();
        connection.ok_or_else(|| self.no_connection())
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

    /// How many are open, and how many of these nobody uses.
    pub(super) fn connections(&self) -> (u32, u32) {
        let state = self.inner.state();
        (state.connections, state.idle_connections)
    }

    fn no_connection(&self) -> StoreError {
        let (open, idle) = self.connections();
        if open.saturating_sub(idle) == self.size {
            // It answers, and has too much to do.
            return Rejected::new("database", Reason::Overloaded).into();
        }
        match self.last_error.take() {
            Some(error) => self.unavailable(&format!("no connection in time: {error}")),
            None => self.unavailable("no connection in time"),
        }
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
