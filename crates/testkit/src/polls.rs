//! Futures that are dropped before they are done: clients disconnect at any await.

use std::future::poll_fn;
use std::task::Poll;

/// Polls `future` up to `polls` times, waiting in between until it asks to be polled, and
/// drops it. `None` when it was not done by then.
///
/// ```
/// use towerblock_testkit::poll_times;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let future = async || { tokio::task::yield_now().await; "done" };
/// assert_eq!(poll_times(0, future()).await, None);
/// assert_eq!(poll_times(1, future()).await, None);
/// assert_eq!(poll_times(2, future()).await, Some("done"));
/// # }
/// ```
pub async fn poll_times<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Drops the futures of `make` before the first poll, after the first, after the second,
/// and so on, and calls `check` after each drop, until one is done. Returns how many polls
/// that one took.
///
/// ```
/// use std::sync::Arc;
///
/// use tokio::sync::Semaphore;
/// use towerblock_testkit::at_every_poll;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let slots = Arc::new(Semaphore::new(1));
/// let work = || async {
///     let _slot = slots.acquire().await;
///     tokio::task::yield_now().await;
/// };
/// let polls = at_every_poll(work, async |_| assert_eq!(slots.available_permits(), 1)).await;
/// assert_eq!(polls, 2);
/// # }
/// ```
pub async fn at_every_poll<F: Future>(
    mut make: impl FnMut() -> F,
    mut check: impl AsyncFnMut(usize),
) -> usize {
    let mut polls = 0;
    while poll_times(polls, make()).await.is_none() {
        check(polls).await;
        polls += 1;
    }
    polls
}
