//! What an error of the database means for whoever asked.

use tokio_postgres::Error;

use crate::binding::Mode;

/// What may help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// Nothing: the statement is wrong, or the data forbids it.
    Lasting,
    /// The same again: it was in conflict with others, and undone.
    Conflict,
    /// The same again: its statements were prepared for tables that have changed since.
    Stale,
    /// Another server: this one is a standby, and it is in conflict with what it replays.
    Replay,
    /// The primary, wherever that is now: this server takes no writes.
    ReadOnly,
    /// Another connection, perhaps later: this one is lost, or the server has no room or is
    /// on its way down or up.
    Away,
    /// More time: the statement took longer than it had.
    TimedOut,
}

pub(crate) fn fault_of(mode: Mode, error: &Error) -> Fault {
    let Some(code) = error.code() else {
        let io = std::error::Error::source(error)
            .is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
        return if error.is_closed() || io {
            Fault::Away
        } else {
            Fault::Lasting
        };
    };
    match code.code() {
        "40001" if mentions_recovery(error) => Fault::Replay,
        // The second, or one of another connection, may not be in conflict, or have the statement.
        "40001" | "40P01" | "26000" => Fault::Conflict,
        // Whoever said that it would only read gets what it asked for.
        "25006" if mode == Mode::Write => Fault::ReadOnly,
        // The statement's own timeout, or that of its locks.
        "57014" | "55P03" => Fault::TimedOut,
        // No connection more; on its way down or up.
        "53300" | "57P01" | "57P02" | "57P03" => Fault::Away,
        _ => Fault::Lasting,
    }
}

/// The code is that of any conflict; servers before 17 tell it by the text alone.
fn mentions_recovery(error: &Error) -> bool {
    error
        .as_db_error()
        .is_some_and(|error| error.message().contains("recovery"))
}
