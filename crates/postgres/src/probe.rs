//! What a server says of itself, asked on a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use crate::doctor::shares_backends;
use crate::error::described;
use crate::lending::Pooler;
use crate::lsn::{Lsn, Position};
use crate::server::{Role, Server, Wire};

const EVERY: Duration = Duration::from_millis(200);
/// This and [`EVERY`] are well below a second: by then a server that hangs is known to.
const TIMEOUT: Duration = Duration::from_millis(600);

/// So often a pooler is looked at that may lend by the transaction. A balancer before several of
/// them takes the second connection to another one, more often than not.
const LOOKS: u32 = 20;
/// So many questions lie between two looks where the first came to nothing: it has no second
/// connection to look with.
const APART: u32 = 25;

/// Any user may ask this. A standby says which timeline it receives where it may; otherwise
/// that of its last checkpoint, which is older if anything.
const QUESTION: &str = "SELECT pg_is_in_recovery(),
    (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
        ELSE pg_current_wal_insert_lsn() END)::text,
    (CASE WHEN pg_is_in_recovery()
        THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver),
            (SELECT timeline_id FROM pg_control_checkpoint()))
        ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int
        END)::int,
    (SELECT system_identifier FROM pg_control_system()),
    pg_backend_pid()";

/// What a server said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting {
    pub(crate) role: Role,
    /// Of a primary, what it has written; of a standby, what it has replayed.
    pub(crate) position: Position,
    /// The cluster that it belongs to.
    pub(crate) cluster: u64,
    /// The process that answered.
    backend: i32,
}

/// What shows of a pooler on one connection.
#[derive(Debug, Default)]
struct Looks {
    backend: Option<i32>,
    in_vain: u32,
    pause: u32,
}

/// Asks for ever; ends with the cluster.
pub(crate) async fn watch(server: Arc<Server>, told: impl Fn(Option<Sighting>) + Send) {
    let mut known = None;
    // Why it was away when that was last said.
    let mut reason = String::new();
    let mut timeline = 0;
    'asking: loop {
        // Whether it did on this connection.
        let mut has_answered = false;
        let mut looks = Looks::default();
        // Cancel safety: dropped with its connection, which closes it.
        let why = match timeout(TIMEOUT, server.connect()).await {
            Ok(Ok(wire)) => loop {
                match timeout(TIMEOUT, ask(&wire.client)).await {
                    Ok(Ok(mut sighting)) => {
                        has_answered = true;
                        // One that receives nothing tells that of its last checkpoint.
                        timeline = sighting.position.timeline.max(timeline);
                        sighting.position.timeline = timeline;
                        if known != Some(sighting.role) {
                            let (name, role) = (&*server.name, sighting.role);
                            tracing::info!(name, ?role, "a server of the database answers");
                            known = Some(sighting.role);
                            reason.clear();
                        }
                        server.role.set(sighting.role);
                        told(Some(sighting));
                        // Cancel safety: begun again with the next connection.
                        looks.look(&server, &wire, sighting.backend).await;
                    }
                    // The connection alone may be lost, and the next says more, at once.
                    Ok(Err(_)) if has_answered => continue 'asking,
                    Ok(Err(error)) => break described(&error),
                    Err(late) => break late.to_string(),
                }
                sleep(EVERY).await;
            },
            // It answers, and has no connection left: those that there are may still be used.
            Ok(Err(error)) if error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => {
                sleep(EVERY).await;
                continue;
            }
            Ok(Err(error)) => described(&error),
            Err(late) => late.to_string(),
        };
        told(None);
        known = None;
        if reason != why {
            let name = &*server.name;
            tracing::warn!(name, why, "a server of the database is away");
            reason = why;
        }
        sleep(EVERY).await;
    }
}

impl Looks {
    async fn look(&mut self, server: &Arc<Server>, wire: &Wire, backend: i32) {
        let (lending, name) = (&server.lending, &*server.name);
        if self
            .backend
            .replace(backend)
            .is_some_and(|it| it != backend)
        {
            lending.changes(name);
        }
        if wire.is_indirect(backend) {
            lending.met(name);
        }
        if lending.get() != Pooler::Unknown || self.is_pausing() {
            return;
        }
        let look = async {
            let other = server.connect().await?;
            shares_backends(&wire.client, &other.client).await
        };
        match timeout(TIMEOUT, look).await {
            Ok(Ok(true)) => lending.changes(name),
            Ok(Ok(false)) => {
                self.in_vain += 1;
                if self.in_vain >= LOOKS {
                    lending.keeps_sessions(name);
                }
            }
            Ok(Err(_)) | Err(_) => self.pause = APART,
        }
    }

    /// Also counts this question.
    const fn is_pausing(&mut self) -> bool {
        let is_pausing = self.pause > 0;
        self.pause = self.pause.saturating_sub(1);
        is_pausing
    }
}

async fn ask(client: &Client) -> Result<Sighting, Error> {
    let row = client.query_typed_one(QUESTION, &[]).await?;
    let (is_standby, lsn) = (
        row.try_get::<_, bool>(0)?,
        row.try_get::<_, Option<&str>>(1)?,
    );
    let (timeline, cluster) = (row.try_get::<_, i32>(2)?, row.try_get::<_, i64>(3)?);
    // A standby that has replayed nothing yet has nothing.
    let lsn = lsn.and_then(|lsn| lsn.parse().ok()).unwrap_or(Lsn(0));
    Ok(Sighting {
        role: if is_standby {
            Role::Standby
        } else {
            Role::Primary
        },
        position: Position::new(u32::try_from(timeline).unwrap_or_default(), lsn),
        cluster: u64::from_ne_bytes(cluster.to_ne_bytes()),
        backend: row.try_get(4)?,
    })
}
