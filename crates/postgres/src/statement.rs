//! One statement in a transaction of its own.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, SimpleQueryMessage, Statement};

use crate::binding::{Binding, Mode};
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
        let flight = self.state.flight();
        let statement = match self.prepare(call.sql, begin).await {
            Ok(statement) => statement,
            Err(error) => {
                flight.landed();
                return Err(Failure::Before(error));
            }
        };
        let prepared = self.statements().put(schema, call.sql, statement);
        flight.landed();
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
    pub(crate) async fn prepare(&self, sql: &str, begin: &str) -> Result<Statement, Error> {
        let (begun, statement) = tokio::join!(
            biased;
            self.client.batch_execute(begin),
            self.client.prepare(sql),
        );
        match begun.and(statement) {
            Ok(statement) => Ok(statement),
            Err(error) => {
                let undone = self.client.batch_execute("ROLLBACK").await;
                Err(undone.err().unwrap_or(error))
            }
        }
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

/// Ends the transaction; of a write it is told where the log was then.
pub(crate) async fn end(client: &Client, mode: Mode) -> Result<Option<String>, Error> {
    end_with(client, mode, commit(mode)).await
}

const fn commit(mode: Mode) -> &'static str {
    match mode {
        Mode::Read => "COMMIT",
        Mode::Write => "COMMIT;SELECT pg_current_wal_insert_lsn()",
    }
}

async fn end_with(client: &Client, mode: Mode, sql: &str) -> Result<Option<String>, Error> {
    if mode == Mode::Read {
        client.batch_execute(sql).await?;
        return Ok(None);
    }
    let messages = client.simple_query(sql).await?;
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

/// As [`end`], for a transaction in which somebody may have ignored that a statement failed: a
/// commit would be answered as if it had been done. `reset` is done in the same message.
pub(crate) async fn end_checked(
    client: &Client,
    mode: Mode,
    reset: &str,
) -> Result<Option<String>, Error> {
    let sql = format!("{};{reset}", commit(mode));
    let (checked, ended) = tokio::join!(
        biased;
        client.batch_execute("SELECT"),
        end_with(client, mode, &sql),
    );
    checked.and(ended)
}

pub(crate) fn conclude(
    mode: Mode,
    answer: Result<(Vec<Row>, u64), Error>,
    ended: Result<Option<String>, Error>,
) -> Result<Answer, Failure> {
    let (rows, count) = match answer {
        Ok(answer) => answer,
        // The commit was on its way already, behind a statement that nobody answered.
        Err(error) if mode == Mode::Write && error.code().is_none() && !is_ours(&error) => {
            return Err(Failure::AtCommit(error));
        }
        Err(error) => return Err(Failure::Before(error)),
    };
    let lsn = ended.map_err(|error| at_commit(mode, error))?;
    Ok(Answer { rows, count, lsn })
}

/// What it means that a commit was answered with an error, or not at all.
pub(crate) fn at_commit(mode: Mode, error: Error) -> Failure {
    // A constraint that was deferred, a transaction that had failed before, or a conflict.
    let undone = |code: &SqlState| {
        ["23", "25", "40"]
            .iter()
            .any(|class| code.code().starts_with(class))
    };
    if mode == Mode::Read || error.code().is_some_and(undone) {
        Failure::Before(error)
    } else {
        Failure::AtCommit(error)
    }
}

/// Whether a parameter or a column could not be converted here: the server did its part, or
/// was never asked.
fn is_ours(error: &Error) -> bool {
    !error.is_closed()
        && std::error::Error::source(error).is_none_or(|source| !source.is::<std::io::Error>())
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
