use std::time::Duration;

use tokio_postgres::error::SqlState;
use towerblock_core::{Reason, Rejected};
use towerblock_pool::PoolError;

use crate::binding::Mode;
use crate::fault::{Fault, fault_of};
use crate::server::Server;
use crate::statement::Failure;

/// A server that is away is asked several times in that time whether it is back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What was asked of the database was not done, or nobody knows whether it was.
///
/// Where the reason will pass (no connection, too many that ask, a server that is away), its
/// source is the [`Rejected`] that the client is to be answered with; its text, for the log,
/// says the rest.
#[derive(Debug, thiserror::Error)]
#[error("{label}: {problem}")]
pub struct Error {
    label: &'static str,
    #[source]
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{}", described(.0))]
    Database(#[source] tokio_postgres::Error),
    #[error("no answer to the commit, which may have been done: {}", described(.0))]
    CommitUnknown(#[source] tokio_postgres::Error),
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("no answer to the commit, which may have been done: {0}")]
    CommitLost(String),
    #[error("no answer to the commit, which may have been done, and may be done again: {why}")]
    Repeatable {
        why: String,
        code: Option<SqlState>,
        #[source]
        rejected: Rejected,
    },
    #[error("not committed: the error of a statement in it was ignored")]
    Ignored,
    #[error("{why}")]
    Refused {
        why: String,
        code: Option<SqlState>,
        #[source]
        rejected: Rejected,
    },
}

impl Error {
    /// Why the database refused it, if it did: its SQLSTATE.
    #[must_use]
    pub fn code(&self) -> Option<&SqlState> {
        match &self.problem {
            Problem::Database(error) | Problem::CommitUnknown(error) => error.code(),
            Problem::Refused { code, .. } | Problem::Repeatable { code, .. } => code.as_ref(),
            Problem::Ignored | Problem::CommitLost(_) | Problem::Forbidden(_) => None,
        }
    }

    /// Whether a transaction may or may not have been committed: the connection was lost
    /// while its commit was on its way, or the time was over. Look before you do it again,
    /// unless it is [`idempotent`](crate::Write::idempotent).
    #[must_use]
    pub const fn is_commit_unknown(&self) -> bool {
        matches!(
            self.problem,
            Problem::CommitUnknown(_) | Problem::CommitLost(_) | Problem::Repeatable { .. }
        )
    }

    /// What the client is to be answered with, where nothing is wrong with what it asked, and it
    /// may ask again: nothing was done, or the write is
    /// [`idempotent`](crate::Write::idempotent).
    #[must_use]
    pub const fn rejected(&self) -> Option<&Rejected> {
        match &self.problem {
            Problem::Refused { rejected, .. } | Problem::Repeatable { rejected, .. } => {
                Some(rejected)
            }
            _ => None,
        }
    }

    /// Whether the tenant asked for more connections than its share.
    #[must_use]
    pub fn is_over_share(&self) -> bool {
        self.rejected()
            .is_some_and(|rejected| rejected.reason() == Reason::OverShare)
    }

    pub(crate) fn refused(label: &'static str, why: String, rejected: Rejected) -> Self {
        let code = None;
        let problem = Problem::Refused {
            why,
            code,
            rejected,
        };
        Self { label, problem }
    }

    pub(crate) fn no_connection(label: &'static str, error: &PoolError) -> Self {
        Self::refused(label, error.to_string(), *error.rejected())
    }

    pub(crate) fn away(label: &'static str, server: &Server) -> Self {
        let rejected = Rejected::new("postgres", Reason::Unavailable);
        let name = &server.name;
        let why = match server.why() {
            Some(why) => format!("the server {name} is away: {why}"),
            None => format!("the server {name} is away"),
        };
        Self::refused(label, why, rejected.with_retry_after(RETRY_AFTER))
    }

    pub(crate) fn too_late(label: &'static str) -> Self {
        let rejected = Rejected::new("postgres", Reason::Unavailable);
        let why = "no answer before the deadline".to_owned();
        Self::refused(label, why, rejected.with_retry_after(RETRY_AFTER))
    }

    pub(crate) const fn forbidden(label: &'static str, why: &'static str) -> Self {
        let problem = Problem::Forbidden(why);
        Self { label, problem }
    }

    /// The commit was sent, and the time is over.
    pub(crate) fn unanswered(label: &'static str) -> Self {
        let problem = Problem::CommitLost("none before the deadline".to_owned());
        Self { label, problem }
    }

    /// What was refused at last may have been done by an attempt before.
    pub(crate) fn or_done_before(self) -> Self {
        match self.problem {
            Problem::Refused { why, .. } => Self {
                label: self.label,
                problem: Problem::CommitLost(why),
            },
            _ => self,
        }
    }

    /// Who does not know whether it was done may do it again.
    pub(crate) fn or_repeat(self) -> Self {
        let (why, code) = match self.problem {
            Problem::CommitUnknown(error) => (described(&error), error.code().cloned()),
            Problem::CommitLost(why) => (why, None),
            problem => return Self { problem, ..self },
        };
        let rejected = Rejected::new("postgres", Reason::Unavailable).with_retry_after(RETRY_AFTER);
        let problem = Problem::Repeatable {
            why,
            code,
            rejected,
        };
        Self { problem, ..self }
    }

    /// A statement of a transaction failed, and its user went on as if it had not.
    pub(crate) fn ignored(label: &'static str) -> Self {
        let problem = Problem::Ignored;
        Self { label, problem }
    }

    /// What a caller is told when nothing is left to try.
    pub(crate) fn last(label: &'static str, mode: Mode, failure: Failure) -> Self {
        let error = match failure {
            Failure::Before(error) => error,
            Failure::Forbidden(why) => return Self::forbidden(label, why),
            Failure::AtCommit(error) => {
                let problem = Problem::CommitUnknown(error);
                return Self { label, problem };
            }
        };
        let reason = match fault_of(mode, &error) {
            Fault::Away | Fault::Replay | Fault::ReadOnly | Fault::TimedOut => Reason::Unavailable,
            Fault::Conflict => Reason::Overloaded,
            Fault::Lasting | Fault::Stale => {
                let problem = Problem::Database(error);
                return Self { label, problem };
            }
        };
        let problem = Problem::Refused {
            why: described(&error),
            code: error.code().cloned(),
            rejected: Rejected::new("postgres", reason).with_retry_after(RETRY_AFTER),
        };
        Self { label, problem }
    }
}

/// What the database said, or why it said nothing.
pub(crate) fn described(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} ({})", db.message(), db.code().code());
    }
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        why = format!("{why}: {error}");
        cause = error.source();
    }
    why
}
