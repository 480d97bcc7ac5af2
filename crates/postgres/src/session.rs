use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_postgres::{Client, Error, Notification};

use crate::binding::{Binding, Timeout};
use crate::server::Server;
use crate::settings::Keeps;
use crate::statements::Statements;

/// A connection, and what is known of the state that it is in.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) state: State,
    pub(crate) statements: Mutex<Statements>,
    pub(crate) notifications: mpsc::Receiver<Notification>,
    driver: AbortHandle,
    /// Whether it has the state that the others rely on: see [`Server::defaults`].
    is_prepared: bool,
    /// Whose tables the server keeps in this connection's memory.
    schemas: HashSet<u64>,
    most_schemas: usize,
    server: Arc<Server>,
    /// So long may what it runs take.
    pub(crate) statement_timeout: Duration,
}

/// What must not meet the next tenant.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Answers that nobody has read yet.
    in_flight: AtomicUsize,
    in_transaction: AtomicBool,
    /// A commit was sent.
    is_ending: AtomicBool,
    /// Something may stay when the transaction has ended.
    is_marked: AtomicBool,
    /// To be closed when it comes back.
    is_retired: AtomicBool,
}

/// Something that was sent. Dropped before it has landed, it stays in flight.
#[must_use = "what is not said to have landed is in flight for ever"]
pub(crate) struct Flight<'a>(&'a AtomicUsize);

impl Flight<'_> {
    /// All that was sent has been answered.
    pub(crate) fn landed(self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    pub(crate) fn flight(&self) -> Flight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Flight(&self.in_flight)
    }

    pub(crate) fn set_in_transaction(&self, in_transaction: bool) {
        self.in_transaction.store(in_transaction, Ordering::Relaxed);
    }

    pub(crate) fn set_ending(&self, is_ending: bool) {
        self.is_ending.store(is_ending, Ordering::Relaxed);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    pub(crate) fn mark(&self) {
        self.is_marked.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_reset(&self) {
        self.is_marked.store(false, Ordering::Relaxed);
    }

    pub(crate) fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Relaxed)
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.is_marked.load(Ordering::Relaxed)
    }

    pub(crate) fn is_clean(&self) -> bool {
        !self.is_in_flight() && !self.in_transaction.load(Ordering::Relaxed) && !self.is_marked()
    }

    /// All is answered, ended and reset.
    pub(crate) fn clear(&self) {
        self.in_flight.store(0, Ordering::Relaxed);
        self.set_in_transaction(false);
        self.set_reset();
    }
}

impl Session {
    /// It is about to run something for this binding, for which so much time is left.
    pub(crate) fn serves(&mut self, binding: &Binding, left: Duration) -> Timeout {
        self.schemas.extend(binding.schema_key());
        let limit = (!self.is_pooled()).then(|| self.server.limit());
        self.statement_timeout = limit.map_or(left, |limit| limit.max(left));
        Timeout::new(left, limit)
    }

    /// Whether nothing can be left on it, for a pooler lends it by the transaction, or may.
    pub(crate) fn is_pooled(&self) -> bool {
        !self.is_prepared || self.server.lending.is_by_transaction()
    }

    pub(crate) fn statements(&self) -> MutexGuard<'_, Statements> {
        let statements = self.statements.lock();
        statements.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Session {
    /// One that is given up would wait for its answers: then nobody counts it any more, and the
    /// server does.
    fn drop(&mut self) {
        if !self.state.is_clean() || self.state.is_retired() {
            self.driver.abort();
        }
    }
}

/// Opens connections to one server for the pool.
#[derive(Debug)]
pub(crate) struct Manager {
    server: Arc<Server>,
    keeps: Keeps,
}

impl Manager {
    pub(crate) const fn new(server: Arc<Server>, keeps: Keeps) -> Self {
        Self { server, keeps }
    }
}

impl bb8::ManageConnection for Manager {
    type Connection = Session;
    type Error = Error;

    async fn connect(&self) -> Result<Session, Error> {
        let wire = self.server.connect().await?;
        let is_prepared = self.server.prepare(&wire).await?;
        Ok(Session {
            client: wire.client,
            state: State::default(),
            statements: Mutex::new(Statements::new(self.keeps.statements)),
            notifications: wire.notifications,
            driver: wire.driver,
            is_prepared,
            schemas: HashSet::new(),
            most_schemas: self.keeps.schemas,
            server: Arc::clone(&self.server),
            statement_timeout: Duration::ZERO,
        })
    }

    async fn is_valid(&self, session: &mut Session) -> Result<(), Error> {
        // Cancel safety: left before its end, it is in flight, and the connection is ended.
        let flight = session.state.flight();
        session.client.check_connection().await?;
        flight.landed();
        Ok(())
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        let is_full = session.schemas.len() > session.most_schemas;
        // It turned out that it could have been.
        let is_bare = !session.is_prepared && !self.server.lending.is_by_transaction();
        let state = &session.state;
        let is_spent = !state.is_clean() || state.is_retired() || is_full || is_bare;
        session.client.is_closed() || is_spent
    }
}
