use tokio::time::Instant;
use tokio_postgres::Row;

use crate::ask::Ask;
use crate::binding::Mode;
use crate::cluster::Nodes;
use crate::statement::{Parameters, Wants};
use crate::{Binding, Error, Scope, Transaction};

/// Reads in a tenant's name: see [`Cluster::read`](crate::Cluster::read).
#[derive(Clone, Copy, Debug)]
#[must_use = "it reads nothing until it is asked"]
pub struct Read<'c>(Ask<'c>);

impl<'c> Read<'c> {
    pub(crate) const fn new(nodes: &'c Nodes, binding: &'c Binding) -> Self {
        Self(Ask::new(nodes, binding, Mode::Read))
    }

    /// What this belongs to: its deadline, and what was written before.
    pub const fn within(mut self, scope: &'c Scope) -> Self {
        self.0.scope = Some(scope);
        self
    }

    /// Until when all of it must be done, if that is sooner. Default: the
    /// deadline of its scope, or the limit for a call.
    pub const fn before(mut self, deadline: Instant) -> Self {
        self.0.deadline = Some(deadline);
        self
    }

    /// All rows of a statement, in one round trip, in a transaction that cannot write. The
    /// statement is prepared once for each connection, and schema.
    ///
    /// `label` names the statement in statistics and errors, such as `orders.list`.
    ///
    /// Cancel safety: dropped, the statement is cancelled at the server.
    ///
    /// # Errors
    ///
    /// When the database refuses it, or nothing answers before the deadline. Where another
    /// attempt may help, there have been three.
    pub async fn query(
        self,
        label: &'static str,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Error> {
        let answer = self.0.statement(label, sql, parameters, Wants::Rows);
        Ok(answer.await?.rows)
    }

    /// Several statements that see the same state, in a transaction that cannot write.
    ///
    /// `work` is done again, up to three times in all, when it was in conflict with others or
    /// the connection was lost: it must change nothing outside of the transaction.
    ///
    /// Cancel safety: dropped, the transaction is rolled back.
    ///
    /// # Errors
    ///
    /// Those of `work`, and as [`query`](Self::query).
    pub async fn transaction<T, E: From<Error>>(
        self,
        label: &'static str,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, E> + Clone,
    ) -> Result<T, E> {
        self.0.transaction(label, work).await
    }
}
