//! Whose rows a statement sees.
//!
//! A binding lives in one transaction, sent with its statement in one message, and is gone
//! with it: nothing of a tenant stays on a connection. If it fails, the transaction does.
//! Should there be no transaction at all, then there is no search path either, and no table
//! is found.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};
use towerblock_tenant::{Isolation, Tenant};

/// The role of all statements: it owns nothing, so row-level security holds for it.
pub(super) const ROLE: &str = "towerblock_app";
pub(super) const SHARED_TABLES: &str = "towerblock_shared";
pub(super) const MARKET: &str = "towerblock_market";

/// A value and its type, so that no statement needs a round trip to be prepared.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

#[derive(Clone, Copy, Debug)]
pub(super) enum Binding {
    Schema(u64),
    RowLevel(u64),
    Market,
}

/// What a transaction may do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    ReadOnly,
    ReadWrite,
}

impl Binding {
    pub(super) const fn of(tenant: &Tenant) -> Self {
        match tenant.placement.isolation {
            Isolation::Schema => Self::Schema(tenant.key),
            // Tables under row-level security show nothing that is not bound to a tenant.
            _ => Self::RowLevel(tenant.key),
        }
    }

    pub(super) const fn key(self) -> Option<u64> {
        match self {
            Self::Schema(key) | Self::RowLevel(key) => Some(key),
            Self::Market => None,
        }
    }

    /// The name is made of the key alone: no text of a client's ever is part of SQL.
    pub(super) fn schema(self) -> String {
        match self {
            Self::Schema(key) => format!("t{key:012x}"),
            Self::RowLevel(_) => SHARED_TABLES.to_owned(),
            Self::Market => MARKET.to_owned(),
        }
    }

    fn begin(self, mode: Mode) -> String {
        let begin = match mode {
            Mode::ReadOnly => "BEGIN READ ONLY",
            // Not READ WRITE: a standby would refuse the transaction and not the write.
            Mode::ReadWrite => "BEGIN",
        };
        let schema = self.schema();
        let key = self.key().map(|key| key.to_string()).unwrap_or_default();
        format!(
            "{begin}; SET LOCAL ROLE {ROLE}; SET LOCAL search_path = {schema}, pg_temp; \
             SET LOCAL app.tenant_key = '{key}'; SET LOCAL statement_timeout = '2s'"
        )
    }

    /// Runs one statement in a transaction of its own, in one round trip.
    pub(super) async fn query(
        self,
        client: &Client,
        mode: Mode,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Error> {
        let begin = self.begin(mode);
        // Cancel safety: all three are on their way when this is first polled, so a
        // transaction that has begun also ends, whoever still waits for it.
        let (begun, rows, ended) = tokio::join!(
            biased;
            client.batch_execute(&begin),
            client.query_typed(statement, parameters),
            client.batch_execute("COMMIT"),
        );
        begun?;
        let rows = rows?;
        ended?;
        Ok(rows)
    }
}
