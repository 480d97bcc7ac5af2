use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::timeout;
use towerblock_pool::Pooled;

use crate::cancel::cancel;
use crate::server::Server;
use crate::session::{Manager, Session};

/// A server that takes longer to take note of a cancellation does not answer.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);
/// Beyond the time that the statement has.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// Gives a connection the state of a new one, and leaves it its prepared statements, which
/// `DISCARD ALL` would take from the client unasked.
pub(crate) const RESET: &str = "CLOSE ALL;SET SESSION AUTHORIZATION DEFAULT;RESET ALL;UNLISTEN *;\
     SELECT pg_advisory_unlock_all();DISCARD TEMP;DISCARD SEQUENCES";

/// A connection that somebody uses. Dropped in the middle of something, it is cleaned before
/// the next one has it, and its slot stays with it until then.
#[derive(Debug)]
pub(crate) struct Loan {
    session: Option<Pooled<Manager>>,
    cleaners: Arc<Cleaners>,
}

/// The tasks that clean connections; they end with the cluster.
#[derive(Debug)]
pub(crate) struct Cleaners {
    server: Arc<Server>,
    tasks: Mutex<JoinSet<()>>,
    runtime: Handle,
}

impl Cleaners {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Self {
            server,
            tasks: Mutex::default(),
            runtime: Handle::current(),
        }
    }

    fn take(&self, session: Pooled<Manager>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        // Where the runtime has ended, this drops the connection, which closes it.
        tasks.spawn_on(clean(Arc::clone(&self.server), session), &self.runtime);
    }

    /// How many connections are being cleaned.
    pub(crate) fn count(&self) -> usize {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.len()
    }
}

/// What does not become clean is closed when it is dropped: see `Manager::has_broken`.
async fn clean(server: Arc<Server>, mut session: Pooled<Manager>) {
    if session.client.is_closed() {
        return;
    }
    let mut patience = DRAIN_TIMEOUT;
    let is_pooled = session.is_pooled();
    if session.state.is_in_flight() || session.state.is_retired() && !is_pooled {
        let cancelled = cancel(&server, session.client.cancel_token());
        if !matches!(timeout(CANCEL_TIMEOUT, cancelled).await, Ok(Ok(()))) {
            // It may come later, and would hit whoever is next. The statement ends by its own
            // timeout; until then its slot is not lent.
            session.state.retire();
            patience = patience.saturating_add(session.statement_timeout);
        }
    }
    if is_pooled && session.state.is_in_flight() {
        // What it looks up of types may be under way: see `has_looked_up`.
        session.state.retire();
    }
    let undone = async {
        if is_pooled && session.state.is_marked() {
            // In one message: after it, another has what a pooler lent.
            let undo = format!("ROLLBACK;{RESET}");
            return session.client.batch_execute(&undo).await;
        }
        session.client.batch_execute("ROLLBACK").await?;
        if session.state.is_marked() {
            let reset = format!("{RESET};{}", server.defaults());
            session.client.batch_execute(&reset).await?;
        }
        Ok(())
    };
    // Answers come in order: when this one is there, nothing is in flight.
    if let Ok(Ok(())) = timeout(patience, undone).await {
        session.state.clear();
        // Meant for whoever listened.
        while session.notifications.try_recv().is_ok() {}
    } else {
        let name = &server.name;
        tracing::debug!(%name, "a connection could not be cleaned, and is closed");
    }
}

impl Loan {
    pub(crate) const fn new(session: Pooled<Manager>, cleaners: Arc<Cleaners>) -> Self {
        Self {
            session: Some(session),
            cleaners,
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        // One to a pooler that is of no use any more is closed, and that is all.
        let is_spent = session.state.is_retired() && !session.is_pooled();
        if !session.state.is_clean() || is_spent {
            self.cleaners.take(session);
        }
    }
}

impl Deref for Loan {
    type Target = Session;

    #[expect(clippy::expect_used, reason = "only dropping it takes it")]
    fn deref(&self) -> &Session {
        self.session.as_deref().expect("not dropped")
    }
}

impl DerefMut for Loan {
    #[expect(clippy::expect_used, reason = "only dropping it takes it")]
    fn deref_mut(&mut self) -> &mut Session {
        self.session.as_deref_mut().expect("not dropped")
    }
}
