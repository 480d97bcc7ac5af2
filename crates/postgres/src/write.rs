use tokio::time::Instant;
use tokio_postgres::Row;

use crate::ask::Ask;
use crate::binding::Mode;
use crate::cluster::Nodes;
use crate::statement::{Parameters, Wants};
use crate::{Binding, Error, Scope, Transaction};

/// Writes in a tenant's name: see [`Cluster::write`](crate::Cluster::write).
#[derive(Clone, Copy, Debug)]
#[must_use = "it does nothing until it is asked"]
pub struct Write<'c>(Ask<'c>);

impl<'c> Write<'c> {
    pub(crate) const fn new(nodes: &'c Nodes, binding: &'c Binding) -> Self {
        Self(Ask::new(nodes, binding, Mode::Write))
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

    /// What is asked may be done twice, so it is also tried again where nobody knows whether it
    /// was done. Where that is of no more use, the client may be told to try again:
    /// [`Error::rejected`] says so, though [`Error::is_commit_unknown`].
    pub const fn idempotent(mut self) -> Self {
        self.0.may_repeat = true;
        self
    }

    /// How many rows a statement changed, in one round trip. As [`query`](Self::query)
    /// otherwise.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub async fn execute(
        self,
        label: &'static str,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<u64, Error> {
        let answer = self.0.statement(label, sql, parameters, Wants::Count);
        Ok(answer.await?.count)
    }

    /// All rows of a statement, in one round trip. The
    /// statement is prepared once for each connection, and schema.
    ///
    /// `label` names the statement in statistics and errors, such as `orders.list`.
    ///
    /// Cancel safety: dropped, the statement is cancelled at the server, unless it was done
    /// already: to drop it is not to undo it.
    ///
    /// # Errors
    ///
    /// When the database refuses it, or nothing answers before the deadline; and where nobody
    /// knows whether it was done, [`Error::is_commit_unknown`]. Where another attempt may
    /// help and can do no harm, there have been three.
    pub async fn query(
        self,
        label: &'static str,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Error> {
        let answer = self.0.statement(label, sql, parameters, Wants::Rows);
        Ok(answer.await?.rows)
    }

    /// Several statements that are done together or not at all.
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
