use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::{Client, Row};

use crate::binding::Mode;
use crate::fault::{Fault, fault_of};
use crate::session::{Flight, State};
use crate::statement::Parameters;
use crate::statements::{Prepared, Statements, leaves_state};
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
        if self.is_pooled && leaves_state(sql) {
            return Err(Error::pooled(self.label));
        }
        let (flight, began) = (self.state.flight(), Instant::now());
        let rows = async {
            let prepared = self.prepared(sql).await?;
            self.client().query(&prepared.statement, parameters).await
        };
        let rows = rows.await;
        self.landed(flight, began);
        rows.map_err(|error| self.failed(sql, error))
    }

    /// How many rows a statement changed. As [`query`](Self::query) otherwise.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub async fn execute(&self, sql: &str, parameters: Parameters<'_>) -> Result<u64, Error> {
        if self.is_pooled && leaves_state(sql) {
            return Err(Error::pooled(self.label));
        }
        let (flight, began) = (self.state.flight(), Instant::now());
        let count = async {
            let prepared = self.prepared(sql).await?;
            self.client().execute(&prepared.statement, parameters).await
        };
        let count = count.await;
        self.landed(flight, began);
        count.map_err(|error| self.failed(sql, error))
    }

    /// The transaction of tokio-postgres, for what takes a
    /// [`GenericClient`](tokio_postgres::GenericClient). Whatever is done with it, the
    /// connection is reset before another tenant has it, which takes it from the pool for a
    /// round trip.
    #[must_use]
    pub fn raw(&self) -> &tokio_postgres::Transaction<'t> {
        self.state.mark();
        &self.raw
    }

    pub(crate) fn client(&self) -> &Client {
        self.raw.client()
    }

    /// What went wrong in it, whatever its user made of that.
    pub(crate) fn fault(&self) -> Option<Fault> {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long its statements took.
    pub(crate) fn executed(&self) -> Duration {
        Duration::from_micros(self.executed.load(Ordering::Relaxed))
    }

    fn landed(&self, flight: Flight<'_>, began: Instant) {
        flight.landed();
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.executed.fetch_add(took, Ordering::Relaxed);
    }

    async fn prepared(&self, sql: &str) -> Result<Prepared, tokio_postgres::Error> {
        let known = self.statements().get(self.schema, sql);
        let prepared = match known {
            Some(prepared) => prepared,
            None => {
                let statement = self.client().prepare(sql).await?;
                if self.is_pooled {
                    // Dropped once it was used: its name is free before another has the
                    // connection.
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

    fn failed(&self, sql: &str, error: tokio_postgres::Error) -> Error {
        let fault = if statement::is_stale(&error) {
            self.statements().forget(self.schema, sql);
            Fault::Conflict
        } else {
            fault_of(self.mode, &error)
        };
        let mut first = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(fault);
        Error::last(self.label, self.mode, statement::Failure::Before(error))
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
