use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Polls a future up to `times` times, each time when it was woken, and drops it if it has not
/// finished by then: what a client that hangs up does to it. `None` says that it was dropped.
///
/// ```
/// use tokio::task::yield_now;
/// use towerblock_testkit::poll_times;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let once_pending = || async {
///     yield_now().await;
///     7
/// };
/// assert_eq!(poll_times(1, once_pending()).await, None);
/// assert_eq!(poll_times(2, once_pending()).await, Some(7));
/// # }
/// ```
pub async fn poll_times<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // The last poll: not to be woken again.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Makes a future and drops it before its first poll, makes another and drops it after one
/// poll, and so on until one finishes by itself, whose output this returns. After each drop,
/// `check` gets the number of polls and says, by a panic, whether something was left behind.
///
/// ```
/// use tokio::sync::Semaphore;
/// use tokio::task::yield_now;
/// use towerblock_testkit::at_every_poll;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let room = Semaphore::new(1);
/// let work = || async {
///     let _permit = room.acquire().await;
///     yield_now().await;
/// };
/// at_every_poll(work, async |polls| {
///     assert_eq!(room.available_permits(), 1, "after {polls} polls");
/// })
/// .await;
/// # }
/// ```
pub async fn at_every_poll<F: Future>(
    mut make: impl FnMut() -> F,
    mut check: impl AsyncFnMut(usize),
) -> F::Output {
    let mut polls = 0;
    loop {
        if let Some(output) = poll_times(polls, make()).await {
            return output;
        }
        check(polls).await;
        polls += 1;
    }
}
