//! The time that a server has to answer.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use tokio::task::yield_now;
use tokio::time::timeout;

/// Turns of the runtime in which what has come is read: fred's task is told of it, it tells the
/// caller, the caller looks; and one to spare.
const TURNS: usize = 4;

/// What the server has answered within the limit, also if this process was too busy to look: a
/// server is not taken for one that hangs because of our own load.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    // Cancel safety: nothing is held here but the work.
    if let Ok(done) = timeout(limit, &mut work).await {
        return Some(done);
    }
    for _ in 0..TURNS {
        yield_now().await;
        if let Poll::Ready(done) = poll!(&mut work) {
            return Some(done);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::task::yield_now;
    use tokio::time::{Instant, sleep};

    use super::within;

    const LIMIT: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn what_had_come_and_was_not_read_yet_is_an_answer() {
        let (reader, read) = oneshot::channel();
        let reads = tokio::spawn(async move {
            // There in time, as far as the runtime sees, and handed on by two tasks.
            sleep(LIMIT).await;
            yield_now().await;
            yield_now().await;
            reader.send("PONG")
        });
        assert_eq!(within(LIMIT, read).await, Some(Ok("PONG")));
        assert_eq!(reads.await.unwrap(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_comes_is_waited_for_no_longer() {
        let since = Instant::now();
        assert_eq!(within(LIMIT, pending::<()>()).await, None);
        assert_eq!(since.elapsed(), LIMIT);
    }
}
