//! One statement in a transaction of its own.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, SimpleQueryMessage, Statement};

use crate::binding::{Binding, Mode};
use crate::ending::{conclude, end};
use crate::fault::{Fault, fault_of};
use crate::lsn::Lsn;
use crate::session::{Flight, Session};
use crate::statements::{Prepared, ends_transaction};

/// At a replica that has not replayed what somebody waits for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(3);

pub(crate) const ENDS: &str = "a transaction is ended by whoever began it";

pub(crate) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What is asked, in whose name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) binding: &'a Binding,
    pub(crate) mode: Mode,
    pub(crate) left: Duration,
    pub(crate) sql: &'a str,
    pub(crate) parameters: Parameters<'a>,
    pub(crate) wants: Wants,
}

/// What is wanted of the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wants {
    Rows,
    Count,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    pub(crate) count: u64,
    /// Where the log of the server was after the commit, if that was asked for.
    pub(crate) lsn: Option<String>,
}

/// Where it went wrong.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing of it was done, or it was undone.
    Before(Error),
    /// The answer to the commit is missing: it may have been done.
    AtCommit(Error),
    /// It must not be asked, and was not.
    Forbidden(&'static str),
}

impl Failure {
    pub(crate) fn fault(&self, mode: Mode) -> Fault {
        match self {
            Self::Before(error) | Self::AtCommit(error) => fault_of(mode, error),
            Self::Forbidden(_) => Fault::Lasting,
        }
    }

    pub(crate) fn is_stale(&self) -> bool {
        matches!(self, Self::Before(error) if is_stale(error))
    }
}

impl Session {
    /// Whether the server has replayed so much, or does so before `until`.
    pub(crate) async fn has_replayed(&self, lsn: Lsn, until: Instant) -> bool {
        let asks = format!("SELECT pg_last_wal_replay_lsn() >= '{lsn}'");
        loop {
            let flight = self.state.flight();
            // Cancel safety: in flight until it is answered.
            let Ok(answer) = self.client.simple_query(&asks).await else {
                return false;
            };
            flight.landed();
            let has = answer.iter().any(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0) == Some("t"),
                _ => false,
            });
            if has || Instant::now() + BETWEEN_LOOKS >= until {
                return has;
            }
            sleep(BETWEEN_LOOKS).await;
        }
    }

    /// One round trip, and one more where the connection has not prepared the statement.
    pub(crate) async fn run(&mut self, call: Call<'_>) -> Result<Answer, Failure> {
        let timeout = self.serves(call.binding, call.left);
        let begin = call.binding.begin(call.mode, timeout);
        self.state.set_ending(false);
        match self.attempt(call, &begin).await {
            Err(Failure::Before(error)) if is_stale(&error) => {
                // The tables changed since it was prepared.
                self.statements().forget_all(call.binding.schema_key());
                let again = self.attempt(call, &begin).await;
                if again.as_ref().is_err_and(Failure::is_stale) {
                    // What is missing at the server is tokio-postgres' own.
                    self.state.retire();
                }
                again
            }
            outcome => outcome,
        }
    }

    async fn attempt(&self, call: Call<'_>, begin: &str) -> Result<Answer, Failure> {
        if self.is_pooled() {
            return self.unnamed(call, begin).await;
        }
        let schema = call.binding.schema_key();
        // Cancel safety: what was sent is in flight until it has landed, and whoever lent this
        // connection has it cleaned.
        let known = self.statements().get(schema, call.sql);
        if let Some(prepared) = known {
            let flight = self.flight(&prepared);
            let mut begun = pin!(self.client.batch_execute(begin));
            let (parameters, wants) = (call.parameters, call.wants);
            let answer = ask(&self.client, &prepared.statement, parameters, wants);
            let mut answer = pin!(answer);
            let mut ended = pin!(end(&self.client, call.mode));
            let early = (
                sent(begun.as_mut()),
                sent(answer.as_mut()),
                sent(ended.as_mut()),
            );
            // In their order: the connection does not go on to the next before one has been read.
            let begun = answered(early.0, begun).await;
            let answer = answered(early.1, answer).await;
            let ended = match call.mode {
                // Whoever has the connection next speaks behind it.
                Mode::Read => Ok(None),
                Mode::Write => answered(early.2, ended).await,
            };
            flight.landed();
            return conclude(call.mode, begun.and(answer), ended);
        }
        if ends_transaction(call.sql) {
            return Err(Failure::Forbidden(ENDS));
        }
        let statement = self.prepare(call.sql, begin).await?;
        let prepared = self.statements().put(schema, call.sql, statement);
        let flight = self.flight(&prepared);
        let (answer, ended) = tokio::join!(
            biased;
            ask(&self.client, &prepared.statement, call.parameters, call.wants),
            end(&self.client, call.mode),
        );
        flight.landed();
        conclude(call.mode, answer, ended)
    }

    /// Begins a transaction and prepares a statement in it, in the tenant's name: elsewhere
    /// its tables are not found. What fails is undone.
    pub(crate) async fn prepare(&self, sql: &str, begin: &str) -> Result<Statement, Failure> {
        let flight = self.state.flight();
        // Cancel safety: in flight until it is answered.
        let (begun, statement) = tokio::join!(
            biased;
            self.client.batch_execute(begin),
            self.client.prepare(sql),
        );
        let error = match begun.and(statement) {
            Ok(statement) => {
                flight.landed();
                return Ok(statement);
            }
            Err(error) => error,
        };
        // In flight until it is undone.
        let undone = self.client.batch_execute("ROLLBACK").await;
        undone.map_err(Failure::Before)?;
        flight.landed();
        Err(Failure::Before(error))
    }

    fn flight(&self, prepared: &Prepared) -> Flight<'_> {
        if prepared.leaves_state {
            self.state.mark();
        }
        // The commit is sent along.
        self.state.set_ending(true);
        self.state.flight()
    }
}

/// Sends a request. Nobody is woken when it is answered, unless somebody asks then.
fn sent<F: Future>(request: Pin<&mut F>) -> Option<F::Output> {
    match request.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

async fn answered<F: Future>(early: Option<F::Output>, request: Pin<&mut F>) -> F::Output {
    match early {
        Some(answer) => answer,
        None => request.await,
    }
}

pub(crate) async fn ask(
    client: &Client,
    statement: &Statement,
    parameters: Parameters<'_>,
    wants: Wants,
) -> Result<(Vec<Row>, u64), Error> {
    Ok(match wants {
        Wants::Rows => {
            let rows = client.query(statement, parameters).await?;
            let count = rows.len() as u64;
            (rows, count)
        }
        Wants::Count => (Vec::new(), client.execute(statement, parameters).await?),
    })
}

/// Whether the connection holds a statement that the server can no longer run.
pub(crate) fn is_stale(error: &Error) -> bool {
    match error.code() {
        // Prepared by nobody: somebody deallocated it.
        Some(code) if *code == SqlState::INVALID_SQL_STATEMENT_NAME => true,
        // A name that somebody left behind in a pooler.
        Some(code) if *code == SqlState::DUPLICATE_PSTATEMENT => true,
        Some(code) if *code == SqlState::FEATURE_NOT_SUPPORTED => error
            .as_db_error()
            .and_then(tokio_postgres::error::DbError::routine)
            .is_some_and(|routine| routine == "RevalidateCachedQuery"),
        _ => false,
    }
}
