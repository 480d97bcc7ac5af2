//! Connections, for now bb8's own; and what their errors mean to a client.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bb8::{PooledConnection, RunError};
use bb8_postgres::PostgresConnectionManager;
use tokio::time::timeout;
use tokio_postgres::{Error, NoTls};
use towerblock_core::{BoxError, Reason, Rejected};

use crate::store::StoreError;

/// For a connection, and then for the answer.
const PATIENCE: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

type Manager = PostgresConnectionManager<NoTls>;

#[derive(Debug)]
pub(super) struct Pool {
    name: String,
    size: u32,
    /// Whether it was all there when somebody last looked.
    usable: AtomicBool,
    inner: bb8::Pool<Manager>,
}

impl Pool {
    pub(super) fn new(
        name: String,
        config: &tokio_postgres::Config,
        size: u32,
        kept: u32,
    ) -> Result<Self, BoxError> {
        let mut config = config.clone();
        config.application_name("towerblock-server");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        let inner = bb8::Pool::builder()
            .max_size(size)
            .min_idle(kept)
            .connection_timeout(PATIENCE)
            // A round trip for every checkout; `get` looks at what is known instead.
            .test_on_check_out(false)
            .build_unchecked(Manager::new(config, NoTls));
        let usable = AtomicBool::new(false);
        Ok(Self {
            name,
            size,
            usable,
            inner,
        })
    }

    pub(super) async fn get(&self) -> Result<PooledConnection<'_, Manager>, StoreError> {
        // A server that restarted leaves closed connections behind, one after another.
        for _ in 0..=self.size {
            let connection = self.inner.get().await.map_err(|error| match error {
                RunError::User(error) => self.explain(error),
                RunError::TimedOut => self.unavailable("no connection in time"),
            })?;
            if !connection.is_closed() {
                return Ok(connection);
            }
        }
        Err(self.unavailable("every connection was closed"))
    }

    /// Bounds the wait for an answer.
    pub(super) async fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        match timeout(PATIENCE, answer).await {
            Ok(answer) => answer.map_err(|error| self.explain(error)),
            Err(_) => Err(self.unavailable("no answer in time")),
        }
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

    /// What the server cannot do now is no error of ours.
    fn explain(&self, error: Error) -> StoreError {
        let Some(code) = error.code().map(tokio_postgres::error::SqlState::code) else {
            return self.unavailable(&error.to_string());
        };
        // Connection lost, out of resources, shutting down, not (yet) the primary, and not
        // yet set up.
        let passing = ["08", "53", "57", "25006", "3F000", "42P01"];
        if passing.iter().any(|class| code.starts_with(class)) {
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
