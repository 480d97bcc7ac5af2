use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use crate::binding::Mode;
use crate::ending::{at_commit, end_checked};
use crate::fault::{Fault, fault_of};
use crate::loan::RESET;
use crate::pooled::{POOLED, ask_unnamed, free_look_ups, has_looked_up};
use crate::session::State;
use crate::statement::{ENDS, Failure, Parameters, Wants, ask};
use crate::statements::{Prepared, Statements, ends_transaction, leaves_state};
use crate::tries::Tries;
use crate::{Error, statement};

/// A transaction in a tenant's name: see [`Write::transaction`](crate::Write::transaction).
pub struct Transaction<'t> {
    // It is ended by whoever began it: dropping it would send a command that nobody waits for.
    raw: ManuallyDrop<tokio_postgres::Transaction<'t>>,
    label: &'static str,
    mode: Mode,
    schema: Option<u64>,
    statements: &'t Mutex<Statements>,
    state: &'t State,
    is_pooled: bool,
    /// The first that went wrong.
    fault: Mutex<Option<Fault>>,
    /// In microseconds.
    executed: AtomicU64,
}

impl<'t> Transaction<'t> {
    /// Of a transaction that has begun on this connection.
    pub(crate) const fn new(
        raw: tokio_postgres::Transaction<'t>,
        tries: &Tries<'_>,
        statements: &'t Mutex<Statements>,
        state: &'t State,
        is_pooled: bool,
    ) -> Self {
        Self {
            raw: ManuallyDrop::new(raw),
            label: tries.label,
            mode: tries.ask.mode,
            schema: tries.ask.binding.schema_key(),
            statements,
            state,
            is_pooled,
            fault: Mutex::new(None),
            executed: AtomicU64::new(0),
        }
    }

    /// All rows of a statement, which is prepared once for each connection.
    ///
    /// Cancel safety: dropped, the transaction can do nothing more, and is rolled back.
    ///
    /// # Errors
    ///
    /// When the database refuses it, or cannot be reached. Then nothing more can be done in
    /// this transaction: return the error, and it is rolled back, and tried again if that may
    /// help.
    pub async fn query(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Error> {
        let (rows, _) = self.answer(sql, parameters, Wants::Rows).await?;
        Ok(rows)
    }

    /// How many rows a statement changed. As [`query`](Self::query) otherwise.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub async fn execute(&self, sql: &str, parameters: Parameters<'_>) -> Result<u64, Error> {
        let (_, count) = self.answer(sql, parameters, Wants::Count).await?;
        Ok(count)
    }

    /// The transaction of tokio-postgres, for what takes a
    /// [`GenericClient`](tokio_postgres::GenericClient). Whatever is done with it, the
    /// connection is reset before another tenant has it, which takes it from the pool for a
    /// round trip; through a pooler, in the message that ends the transaction.
    ///
    /// An error of it is known to nobody but its user: see [`mark_failed`](Self::mark_failed).
    ///
    /// What the reset does not know of stays until the connection is closed: statements that
    /// are prepared by `PREPARE`, and what a function keeps in the memory of its language. For
    /// such there is [`Cluster::dedicated`](crate::Cluster::dedicated).
    #[must_use]
    pub fn raw(&self) -> &tokio_postgres::Transaction<'t> {
        self.state.mark();
        if self.is_pooled {
            // It may have to look up types: see `has_looked_up`.
            self.state.retire();
        }
        &self.raw
    }

    /// Says that a statement failed that was asked by [`raw`](Self::raw). Return an error of yours
    /// then: the transaction is rolled back, and tried again where that may help, as it is after
    /// an error of [`query`](Self::query). Not for a statement whose failure a savepoint undid.
    ///
    /// ```no_run
    /// use towerblock_postgres::Transaction;
    ///
    /// async fn note(transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
    ///     let noted = transaction.raw().batch_execute("SELECT note()").await;
    ///     noted.inspect_err(|error| transaction.mark_failed(error))
    /// }
    /// ```
    pub fn mark_failed(&self, error: &tokio_postgres::Error) {
        let fault = if statement::is_stale(error) {
            self.statements().forget_all(self.schema);
            if error.code() == Some(&SqlState::INVALID_SQL_STATEMENT_NAME) {
                // What else is missing at the server may be tokio-postgres' own.
                self.state.retire();
            }
            Fault::Stale
        } else {
            fault_of(self.mode, error)
        };
        let mut first = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(fault);
    }

    pub(crate) fn client(&self) -> &Client {
        self.raw.client()
    }

    /// Of a write it is told where the log was then.
    ///
    /// # Errors
    ///
    /// Then it is not known to be clean.
    pub(crate) async fn commit(&self) -> Result<Option<String>, Failure> {
        if self.is_pooled && self.state.is_retired() {
            let freed = free_look_ups(self.client()).await;
            freed.map_err(Failure::Before)?;
        }
        let ended = end_checked(self.client(), self.mode, self.reset()).await;
        ended.map_err(|error| at_commit(self.mode, error))
    }

    /// # Errors
    ///
    /// Then it is not known to be clean.
    pub(crate) async fn rollback(&self) -> Result<(), tokio_postgres::Error> {
        let sql = format!("ROLLBACK;{}", self.reset());
        self.client().batch_execute(&sql).await
    }

    /// What a pooler lent is another's in the moment that the transaction ends.
    fn reset(&self) -> &'static str {
        if self.is_pooled && self.state.is_marked() {
            RESET
        } else {
            ""
        }
    }

    /// What went wrong in it, whatever its user made of that.
    pub(crate) fn fault(&self) -> Option<Fault> {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long its statements took.
    pub(crate) fn executed(&self) -> Duration {
        Duration::from_micros(self.executed.load(Ordering::Relaxed))
    }

    async fn answer(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
        wants: Wants,
    ) -> Result<(Vec<Row>, u64), Error> {
        let (flight, began) = (self.state.flight(), Instant::now());
        let answer = async {
            let Prepared { statement, .. } = self.prepared(sql).await?;
            let answer = if self.is_pooled {
                ask_unnamed(self.client(), statement, sql, parameters, wants).await
            } else {
                ask(self.client(), &statement, parameters, wants).await
            };
            answer.map_err(|error| self.failed(error))
        };
        let answer = answer.await;
        flight.landed();
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.executed.fetch_add(took, Ordering::Relaxed);
        answer
    }

    fn allows(&self, sql: &str) -> Result<(), Error> {
        if self.is_pooled && leaves_state(sql) {
            return Err(Error::forbidden(self.label, POOLED));
        }
        if ends_transaction(sql) {
            return Err(Error::forbidden(self.label, ENDS));
        }
        Ok(())
    }

    async fn prepared(&self, sql: &str) -> Result<Prepared, Error> {
        let known = self.statements().get(self.schema, sql);
        let prepared = match known {
            Some(prepared) => prepared,
            None => {
                self.allows(sql)?;
                let statement = self.client().prepare(sql).await;
                let statement = statement.map_err(|error| self.failed(error))?;
                if self.is_pooled {
                    if has_looked_up(&statement) {
                        self.state.retire();
                    }
                    return Ok(Prepared {
                        statement,
                        leaves_state: false,
                    });
                }
                self.statements().put(self.schema, sql, statement)
            }
        };
        if prepared.leaves_state {
            self.state.mark();
        }
        Ok(prepared)
    }

    fn failed(&self, error: tokio_postgres::Error) -> Error {
        self.mark_failed(&error);
        Error::last(self.label, self.mode, Failure::Before(error))
    }

    fn statements(&self) -> MutexGuard<'_, Statements> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}
