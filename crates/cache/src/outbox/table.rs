use std::time::Duration;

use tokio_postgres::{Error, GenericClient};

use super::OutboxError;

/// A table in which writers note, within their transactions, what is to be forgotten:
/// [`Hub::relay`](crate::Hub::relay) has the instances forget it once the transaction is
/// committed, whoever has died meanwhile.
///
/// Each service has its own, with the same settings in all its instances; either all of them
/// share one Redis, or none has one. Who writes needs `INSERT` on it; the relay `SELECT`, `UPDATE` and
/// `DELETE`.
#[derive(Clone, Debug)]
pub struct Outbox {
    pub(crate) name: String,
    pub(crate) every: Duration,
    keep: Duration,
    pub(crate) lag: Option<Duration>,
}

impl Outbox {
    /// The table `schema.table`: the schema is named, since a tenant's transaction may have its
    /// own search path.
    ///
    /// # Errors
    ///
    /// [`OutboxError::Name`] unless both parts are of the form `[a-z_][a-z0-9_]{0,47}`.
    pub fn table(name: &str) -> Result<Self, OutboxError> {
        let starts = |b: u8| matches!(b, b'a'..=b'z' | b'_');
        let goes_on = |b: u8| starts(b) || b.is_ascii_digit();
        let is_name = |part: &str| {
            part.len() <= 48 && part.bytes().next().is_some_and(starts) && part.bytes().all(goes_on)
        };
        match name.split_once('.') {
            Some((schema, table)) if is_name(schema) && is_name(table) => Ok(Self {
                name: format!(r#""{schema}"."{table}""#),
                every: Duration::from_secs(1),
                keep: Duration::from_secs(30),
                lag: None,
            }),
            _ => Err(OutboxError::Name(name.to_owned())),
        }
    }

    /// How often each instance looks for what others have noted; what it has noted itself it
    /// looks for within milliseconds. At least 10 ms; less than `Remote::quarantine`. Default:
    /// 1 s.
    #[must_use]
    pub fn every(mut self, period: Duration) -> Self {
        self.every = period.max(Duration::from_millis(10));
        self
    }

    /// How long an instance may be kept from looking before it has to look all it has in memory
    /// up again; notes are deleted after two to four times that. At least four times `every`,
    /// whatever is set. Default: 30 s.
    #[must_use]
    pub const fn keep(mut self, period: Duration) -> Self {
        self.keep = period;
        self
    }

    /// Loads read replicas that are up to so far behind: what is noted is forgotten a second
    /// time after that, with what was loaded meanwhile. Less than `keep`. Default: it is not.
    #[must_use]
    pub const fn replica_lag(mut self, lag: Duration) -> Self {
        self.lag = Some(lag);
        self
    }

    pub(crate) fn kept(&self) -> Duration {
        self.keep.max(4 * self.every)
    }

    /// How long a round may take, so that what is deleted after twice the time that is kept was
    /// seen by all who count on it.
    pub(crate) fn round(&self) -> Duration {
        (self.kept() / 2).min(Duration::from_secs(5))
    }

    /// Makes the table, unless it is there.
    ///
    /// # Errors
    ///
    /// Those of the database; it is PostgreSQL 13 or later.
    pub async fn create(&self, client: &impl GenericClient) -> Result<(), Error> {
        let name = &self.name;
        let (schema, table) = name.split_once('.').unwrap_or_default();
        let index = |of: &str| format!(r#""{}_{of}""#, table.trim_matches('"'));
        let (seen, untold) = (index("seen"), index("untold"));
        // Instances that start together take turns.
        client
            .batch_execute(&format!(
                "SELECT pg_advisory_xact_lock(8390891459735478383);
                CREATE SCHEMA IF NOT EXISTS {schema};
                CREATE TABLE IF NOT EXISTS {name} (
                    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                    forget text NOT NULL,
                    told boolean NOT NULL DEFAULT false,
                    tried timestamptz NOT NULL DEFAULT '-infinity',
                    xid xid8 NOT NULL DEFAULT pg_current_xact_id()
                );
                CREATE INDEX IF NOT EXISTS {seen} ON {name} (xid);
                CREATE INDEX IF NOT EXISTS {untold} ON {name} (id) WHERE NOT told;"
            ))
            .await
    }
}

/// A server that was promoted, or restored to an earlier time, gives out the same numbers again.
const ERA: &str = "(SELECT system_identifier::text FROM pg_control_system()) || CASE
    WHEN pg_is_in_recovery() THEN (SELECT '/' || timeline_id FROM pg_control_checkpoint())
    ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END";

/// What is said to the database.
#[derive(Debug)]
pub(crate) struct Statements {
    /// `$1` the text of what is to be forgotten.
    pub(crate) note: String,
    /// What can be seen now, and the history that it belongs to.
    pub(crate) snapshot: String,
    /// Whatever became visible since the snapshot `$1`, at most `$2` rows: a transaction that
    /// began earlier and is committed later is not missed.
    pub(crate) look: String,
    /// At most `$1` that nobody has told Redis of, and that nobody has tried to for a second.
    pub(crate) claim: String,
    /// `$1` are told: each instance sees them once more.
    pub(crate) told: String,
    /// What was visible in the snapshot `$1`, told or, with `$2`, not; at most `$3` rows.
    pub(crate) sweep: String,
}

impl Statements {
    pub(crate) fn of(outbox: &Outbox) -> Self {
        let table = &outbox.name;
        Self {
            snapshot: format!("SELECT pg_current_snapshot()::text, {ERA}"),
            note: format!("INSERT INTO {table} (forget) VALUES ($1)"),
            look: format!(
                "SELECT s.now::text, {ERA}, pg_snapshot_xmax(s.now) < pg_snapshot_xmax(s.seen),
                    EXISTS (SELECT FROM {table} WHERE NOT told), o.forget
                FROM (SELECT pg_current_snapshot() AS now, $1::text::pg_snapshot AS seen) s
                LEFT JOIN LATERAL (
                    SELECT forget FROM {table}
                    WHERE xid >= pg_snapshot_xmin(s.seen) AND NOT pg_visible_in_snapshot(xid, s.seen)
                    LIMIT $2
                ) o ON true"
            ),
            claim: format!(
                "UPDATE {table} SET tried = clock_timestamp() WHERE id IN (
                    SELECT id FROM {table}
                    WHERE NOT told AND tried < clock_timestamp() - interval '1 second'
                    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
                ) RETURNING id, forget"
            ),
            told: format!(
                "UPDATE {table} SET told = true, xid = pg_current_xact_id() WHERE id = ANY($1)"
            ),
            sweep: format!(
                "DELETE FROM {table} WHERE id IN (
                    SELECT id FROM {table}
                    WHERE pg_visible_in_snapshot(xid, $1::text::pg_snapshot) AND (told OR $2)
                    LIMIT $3 FOR UPDATE SKIP LOCKED
                )"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outbox;

    #[test]
    fn a_name_is_a_schema_and_a_table() {
        for name in ["public.outbox", "_a.b_1", &format!("a.{}", "t".repeat(48))] {
            assert!(Outbox::table(name).is_ok(), "{name}");
        }
        let long = format!("a.{}", "t".repeat(49));
        for name in [
            "",
            "outbox",
            ".a",
            "a.",
            "a.b.c",
            "A.b",
            "a.1b",
            "a.b\"; --",
            "a b.c",
            &long,
        ] {
            let error = Outbox::table(name).unwrap_err().to_string();
            assert!(error.contains("schema.table"), "{error}");
        }
    }
}
