//! How a transaction ends, and what is known of it then.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Row, SimpleQueryMessage};

use crate::binding::Mode;
use crate::statement::{Answer, Failure};

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
