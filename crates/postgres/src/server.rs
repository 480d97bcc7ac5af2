use std::fmt;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{
    AsyncMessage, Client, Connection, Error, Notification, SimpleQueryMessage, Socket,
    error::Severity,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::door::named_at_the_door;
use crate::lending::{Lending, Pooler};
use crate::url::Target;

/// Of one connection; beyond that a listener that does not listen misses some.
const NOTIFICATIONS: usize = 1_024;

type Tls = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// One server: where it is, what it says of itself, and the tasks that read its connections.
pub(crate) struct Server {
    pub(crate) name: Arc<str>,
    pub(crate) target: Target,
    pub(crate) role: RoleCell,
    /// So long may a statement take that says nothing else.
    statement_timeout: Duration,
    pub(crate) lending: Lending,
    /// Why the last attempt to connect failed, if it did.
    last_error: Mutex<Option<String>>,
    /// Each ends with its connection, and all with the server.
    drivers: Mutex<JoinSet<()>>,
}

/// What a server is to the others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// Not asked yet.
    Unknown,
    Primary,
    Standby,
}

/// The role as it was last heard of, by whoever heard of it first: servers of version 14 and
/// later tell each connection of a promotion.
#[derive(Debug, Default)]
pub(crate) struct RoleCell(AtomicU8);

impl RoleCell {
    pub(crate) fn get(&self) -> Role {
        match self.0.load(Ordering::Relaxed) {
            1 => Role::Primary,
            2 => Role::Standby,
            _ => Role::Unknown,
        }
    }

    pub(crate) fn set(&self, role: Role) {
        let number = match role {
            Role::Unknown => 0,
            Role::Primary => 1,
            Role::Standby => 2,
        };
        self.0.store(number, Ordering::Relaxed);
    }
}

/// A connection with a task that reads it.
pub(crate) struct Wire {
    pub(crate) client: Client,
    /// The process that whoever opened it named as its backend.
    named: Option<i32>,
    /// Ends the connection at once, whatever is still to be answered.
    pub(crate) driver: AbortHandle,
    pub(crate) notifications: mpsc::Receiver<Notification>,
}

impl Wire {
    /// Whether it was opened by somebody else than the backend that answered on it.
    pub(crate) fn is_indirect(&self, backend: i32) -> bool {
        self.named != Some(backend)
    }
}

impl Server {
    pub(crate) fn new(name: Arc<str>, target: Target, statement_timeout: Duration) -> Self {
        Self {
            name,
            target,
            role: RoleCell::default(),
            statement_timeout,
            lending: Lending::default(),
            last_error: Mutex::default(),
            drivers: Mutex::default(),
        }
    }

    /// How long a statement may take by the state of its connection.
    pub(crate) const fn limit(&self) -> Duration {
        self.statement_timeout
    }

    /// The state of a connection that nobody has used yet.
    pub(crate) fn defaults(&self) -> String {
        let millis = self.statement_timeout.as_millis().clamp(1, 3_600_000);
        format!(
            "SELECT set_config('statement_timeout','{millis}',false),\
             set_config('search_path','pg_temp',false)"
        )
    }

    /// Gives a new connection its state, unless that would be left with a pooler. Whether it
    /// has it.
    pub(crate) async fn prepare(&self, wire: &Wire) -> Result<bool, Error> {
        let mut sql = self.defaults();
        match self.lending.get() {
            Pooler::Unknown | Pooler::Transaction => return Ok(false),
            Pooler::Session => {}
            // In the message that would leave it: nobody else comes in between.
            Pooler::None => {
                let named = wire.named.unwrap_or_default();
                let _ = write!(sql, " WHERE pg_backend_pid()={named}");
            }
        }
        let answer = wire.client.simple_query(&sql).await?;
        let is_row = |message: &_| matches!(message, SimpleQueryMessage::Row(_));
        let is_set = answer.iter().any(is_row);
        if !is_set {
            self.lending.met(&self.name);
        }
        Ok(is_set)
    }

    pub(crate) async fn connect(self: &Arc<Self>) -> Result<Wire, Error> {
        let connected = self.target.config.connect(self.target.tls.clone()).await;
        let error = connected.as_ref().err().map(|error| format!("{error:?}"));
        *self.last_error() = error;
        let (client, connection) = connected?;
        let (sender, notifications) = mpsc::channel(NOTIFICATIONS);
        let mut drivers = self.drivers.lock().unwrap_or_else(PoisonError::into_inner);
        while drivers.try_join_next().is_some() {}
        // Not the server's own handle: a task that it owns must not own it.
        let role = Arc::downgrade(self);
        let driver = drivers.spawn(drive(connection, sender, move |standby| {
            if let Some(server) = role.upgrade() {
                let is_standby = if standby {
                    Role::Standby
                } else {
                    Role::Primary
                };
                server.role.set(is_standby);
            }
        }));
        Ok(Wire {
            named: named_at_the_door(&client),
            client,
            driver,
            notifications,
        })
    }

    /// Why nobody can connect, if that is so.
    pub(crate) fn why(&self) -> Option<String> {
        self.last_error().clone()
    }

    fn last_error(&self) -> MutexGuard<'_, Option<String>> {
        let last = self.last_error.lock();
        last.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.name)
            .field("role", &self.role.get())
            .finish_non_exhaustive()
    }
}

/// Reads a connection until it ends.
async fn drive(
    mut connection: Connection<Socket, Tls>,
    notifications: mpsc::Sender<Notification>,
    heard: impl Fn(bool),
) {
    let mut was_standby = None;
    let mut next = |cx: &mut Context<'_>| -> Poll<Option<Result<AsyncMessage, Error>>> {
        let message = connection.poll_message(cx);
        let is_standby = connection.parameter("in_hot_standby").map(|on| on == "on");
        if is_standby != was_standby {
            was_standby = is_standby;
            is_standby.into_iter().for_each(&heard);
        }
        message
    };
    // Cancel safety: aborted, it closes the connection.
    while let Some(message) = poll_fn(&mut next).await {
        match message {
            Ok(AsyncMessage::Notification(notification)) => {
                if notifications.try_send(notification).is_err() {
                    tracing::debug!("nobody listens to a notification");
                }
            }
            Ok(AsyncMessage::Notice(notice)) => match notice.parsed_severity() {
                Some(Severity::Warning) => tracing::warn!(%notice, "notice of the database"),
                _ => tracing::debug!(%notice, "notice of the database"),
            },
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "a connection to the database was lost");
                return;
            }
        }
    }
}
