use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::unix_seconds;
use crate::{ReadToken, TokenKeys};

/// Longer than any request; a sum of times must not overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What the reads and writes of one request, or one job, have in common: until when they are
/// to be done, and how far the writes went, so that later reads see them.
///
/// [`ClusterLayer`](crate::ClusterLayer) puts one into the extensions of each request. Clones
/// share it.
///
/// ```
/// use std::time::Duration;
///
/// use towerblock_postgres::{Scope, TokenKeys};
///
/// # fn main() -> Result<(), towerblock_postgres::InvalidTokenKeys> {
/// let keys = TokenKeys::new([b"thirty-two random bytes or more.."])?;
/// let request = Scope::new(Duration::from_secs(5));
/// // Nothing was written, so a job that is sent off now has nothing to wait for.
/// assert_eq!(request.token_text(&keys), None);
/// let job = Scope::new(Duration::from_secs(60)).with_token_text("from its payload", &keys);
/// assert!(job.deadline() > request.deadline());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Scope {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    deadline: Instant,
    /// Of a write before this scope began.
    sent: Option<ReadToken>,
    written: Mutex<Option<ReadToken>>,
}

impl Scope {
    /// A scope that ends in `time_limit`, at most a day, and has seen no write.
    #[must_use]
    pub fn new(time_limit: Duration) -> Self {
        Self::begin(time_limit, None)
    }

    /// The same deadline, and the token that [`token_text`](Self::token_text) gave: its reads
    /// see what was written there. A text that is none, or has expired, is ignored.
    #[must_use]
    pub fn with_token_text(self, text: &str, keys: &TokenKeys) -> Self {
        let sent = keys.open(text.as_bytes(), unix_seconds());
        Self::from_parts(self.deadline(), sent)
    }

    pub(super) fn begin(time_limit: Duration, sent: Option<ReadToken>) -> Self {
        Self::from_parts(Instant::now() + time_limit.min(LONGEST), sent)
    }

    fn from_parts(deadline: Instant, sent: Option<ReadToken>) -> Self {
        let shared = Arc::new(Shared {
            deadline,
            sent,
            written: Mutex::default(),
        });
        Self { shared }
    }

    /// Until when all is to be done.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.shared.deadline
    }

    /// What a job needs to see what was written up to now, in this scope or before; `None`
    /// when that was nothing, or so long ago that it can be seen everywhere.
    #[must_use]
    pub fn token_text(&self, keys: &TokenKeys) -> Option<String> {
        keys.seal(&self.token()?, unix_seconds())
    }

    /// What a read has to see. A write of this scope went to the primary as it is now, and
    /// came after all that was sent along.
    pub(crate) fn token(&self) -> Option<ReadToken> {
        self.written().or(self.shared.sent)
    }

    /// A write of this scope went so far. Of several, the newest counts.
    pub(crate) fn wrote(&self, token: ReadToken) {
        self.change(|written| *written = ReadToken::newest(*written, Some(token)));
    }

    pub(crate) fn written(&self) -> Option<ReadToken> {
        self.change(|written| *written)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Option<ReadToken>) -> T) -> T {
        // Only the two above run under this lock, so the token is whole.
        let written = &self.shared.written;
        change(&mut written.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{LONGEST, Scope, unix_seconds};
    use crate::lsn::{Lsn, Position};
    use crate::{ReadToken, TokenKeys};

    fn token(timeline: u32, lsn: u64) -> ReadToken {
        ReadToken {
            position: Position::new(timeline, Lsn(lsn)),
            cluster: 1,
            expires: unix_seconds() + 50,
        }
    }

    fn scope() -> Scope {
        Scope::new(Duration::from_secs(5))
    }

    #[test]
    fn of_concurrent_writes_the_newest_counts_and_none_is_lost() {
        let scope = scope();
        thread::scope(|threads| {
            for n in 0..8 {
                let scope = scope.clone();
                threads.spawn(move || (0..1_000).for_each(|m| scope.wrote(token(1, m * 8 + n))));
            }
        });
        assert_eq!(scope.written(), Some(token(1, 7_999)));
        scope.wrote(token(2, 5));
        scope.wrote(token(1, 8_000));
        assert_eq!(scope.written(), Some(token(2, 5)));
    }

    #[test]
    fn a_job_sees_what_the_request_wrote() {
        let keys = TokenKeys::new([[1; 32]]).unwrap();
        let request = scope();
        request.wrote(token(1, 9));
        let text = request.token_text(&keys).unwrap();
        let job = scope().with_token_text(&text, &keys);
        assert_eq!(job.token(), Some(token(1, 9)));
        // It has not written by itself, but what it sends off sees the same.
        assert_eq!(job.written(), None);
        assert_eq!(job.token_text(&keys), Some(text));
        job.wrote(token(1, 10));
        assert_eq!(job.token(), Some(token(1, 10)));
        assert_eq!(request.token(), Some(token(1, 9)));
    }

    #[test]
    fn a_job_with_another_text_sees_what_there_is() {
        let keys = TokenKeys::new([[1; 32]]).unwrap();
        let expired = ReadToken {
            expires: unix_seconds() - 1,
            ..token(1, 9)
        };
        let text = keys.seal(&expired, 0).unwrap();
        for text in [&text, "", "\u{1f4be}"] {
            assert_eq!(scope().with_token_text(text, &keys).token(), None);
        }
        let late = scope();
        late.wrote(expired);
        assert_eq!(late.token_text(&keys), None);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_at_its_deadline_in_a_day_at_most() {
        let now = Instant::now();
        assert_eq!(scope().deadline(), now + Duration::from_secs(5));
        assert_eq!(Scope::new(Duration::MAX).deadline(), now + LONGEST);
        let keys = TokenKeys::new([[1; 32]]).unwrap();
        let job = scope().with_token_text("", &keys);
        assert_eq!(job.deadline(), now + Duration::from_secs(5));
    }
}
