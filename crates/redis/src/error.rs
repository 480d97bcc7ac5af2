use std::sync::Arc;
use std::time::Duration;

use towerblock_breaker::{Fault, Verdict};
use towerblock_core::{Reason, Rejected};

/// A server that is away is asked several times in that time whether it is back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A call was not answered, or not with a reply.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not sent: a gate is open, no connection is up, or too many calls are under way.
    #[error(transparent)]
    Refused(#[from] Rejected),
    /// No answer in that time. The command may have been executed, or may still be, at any time
    /// later.
    #[error("no answer within {0:?}; the command may be executed yet")]
    Timeout(Duration),
    /// The connection ended before the answer. The command may have been executed.
    #[error("no answer: {0}")]
    Lost(Arc<str>),
    /// The server refused the command: its words, beginning with a code such as `WRONGTYPE`.
    #[error("{0}")]
    Replied(Arc<str>),
}

/// What an [`Error`] tells of the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Class {
    /// Nothing: it was not asked.
    Refused,
    /// It does not answer, or serves nobody: `LOADING`, `NOAUTH`, `NOPERM` and the like.
    Outage,
    /// It takes no writes: `OOM`, `READONLY`, `MISCONF`, `NOREPLICAS`.
    WritesOnly,
    /// It has answered, and this command was wrong.
    Data,
}

impl Error {
    /// What it tells of the server.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Refused(_) => Class::Refused,
            Self::Timeout(_) | Self::Lost(_) => Class::Outage,
            Self::Replied(text) => match code_of(text) {
                "LOADING" | "CLUSTERDOWN" | "MASTERDOWN" | "BUSY" | "NOAUTH" | "WRONGPASS"
                | "NOPERM" => Class::Outage,
                "OOM" | "READONLY" | "MISCONF" | "NOREPLICAS" => Class::WritesOnly,
                _ => Class::Data,
            },
        }
    }

    /// The server's word for what is wrong, such as `WRONGTYPE`, if it has answered.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Replied(text) => Some(code_of(text)),
            _ => None,
        }
    }

    /// What the client of a service that cannot go on is to be answered with; `None` where the
    /// command was wrong.
    #[must_use]
    pub fn rejected(&self) -> Option<Rejected> {
        match (self, self.class()) {
            (Self::Refused(rejected), _) => Some(*rejected),
            (_, Class::Data) => None,
            _ => {
                let rejected = Rejected::new("redis", Reason::Unavailable);
                Some(rejected.with_retry_after(RETRY_AFTER))
            }
        }
    }

    pub(crate) fn lost(why: impl Into<Arc<str>>) -> Self {
        Self::Lost(why.into())
    }

    /// Why, for a status.
    pub(crate) fn why(&self) -> Arc<str> {
        match self {
            Self::Lost(why) | Self::Replied(why) => Arc::clone(why),
            Self::Refused(_) | Self::Timeout(_) => self.to_string().into(),
        }
    }
}

/// What a circuit of your own around it is told.
impl Fault for Error {
    fn verdict(&self) -> Verdict {
        match self.class() {
            Class::Refused => Verdict::Ignore,
            Class::Outage | Class::WritesOnly => Verdict::Failure,
            Class::Data => Verdict::Success,
        }
    }
}

/// Before Redis 7 an error in a script stands behind words about the script.
fn code_of(text: &str) -> &str {
    let inner = text
        .strip_prefix("ERR Error running script")
        .and_then(|rest| rest.split_once(": -"))
        .map_or(text, |(_, inner)| inner);
    inner.split([' ', '\r', '\n']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Class, Error};

    #[test]
    fn the_first_word_says_whose_fault_it_is() {
        let of = |text: &str| Error::Replied(text.into()).class();
        for (text, class) in [
            (
                "LOADING Redis is loading the dataset in memory",
                Class::Outage,
            ),
            ("NOAUTH Authentication required.", Class::Outage),
            ("NOPERM this user has no permissions", Class::Outage),
            ("OOM command not allowed", Class::WritesOnly),
            (
                "READONLY You can't write against a read only replica.",
                Class::WritesOnly,
            ),
            (
                "ERR Error running script (call to f_1): @user_script:1: -OOM command not allowed",
                Class::WritesOnly,
            ),
            ("WRONGTYPE Operation against a key", Class::Data),
            ("ERR syntax error", Class::Data),
            ("", Class::Data),
        ] {
            assert_eq!(of(text), class, "{text}");
        }
    }

    #[test]
    fn who_asked_wrongly_is_not_told_to_come_back() {
        let wrong = Error::Replied("WRONGTYPE Operation".into());
        assert_eq!((wrong.code(), wrong.rejected()), (Some("WRONGTYPE"), None));
        assert!(Error::lost("reset").rejected().is_some());
    }
}
