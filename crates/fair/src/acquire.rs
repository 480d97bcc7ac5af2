use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use towerblock_core::Rejected;

use crate::Slot;
use crate::semaphore::Shared;
use crate::sync::Arc;
use crate::turns::Turn;

pin_project! {
    /// Future of [`FairSemaphore::acquire`](crate::FairSemaphore::acquire) and
    /// [`acquire_before`](crate::FairSemaphore::acquire_before).
    ///
    /// It has its place in the queue from the call that made it. Dropping it gives up the
    /// place, and the slot, if it was handed one that it was not polled for yet.
    #[must_use = "futures do nothing unless polled"]
    pub struct Acquire {
        state: State,
        deadline: Option<Instant>,
        // Made at the first poll, and only where there is a deadline.
        #[pin]
        sleep: Option<Sleep>,
    }
}

enum State {
    Decided(Result<Slot, Rejected>),
    Waits(Ticket),
    Finished,
}

impl Acquire {
    pub(crate) fn decided(outcome: Result<Slot, Rejected>) -> Self {
        Self {
            state: State::Decided(outcome),
            deadline: None,
            sleep: None,
        }
    }

    pub(crate) fn waits(shared: Arc<Shared>, key: usize, deadline: Option<Instant>) -> Self {
        Self {
            state: State::Waits(Ticket {
                shared,
                key: Some(key),
            }),
            deadline,
            sleep: None,
        }
    }
}

impl Future for Acquire {
    type Output = Result<Slot, Rejected>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let State::Waits(ticket) = this.state {
            if let Poll::Ready(outcome) = ticket.poll(cx) {
                *this.state = State::Finished;
                return Poll::Ready(outcome);
            }
            let Some(deadline) = *this.deadline else {
                return Poll::Pending;
            };
            if this.sleep.is_none() {
                this.sleep.set(Some(sleep_until(deadline)));
            }
            if let Some(sleep) = this.sleep.as_mut().as_pin_mut() {
                if sleep.poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            let outcome = ticket.expire();
            *this.state = State::Finished;
            return outcome;
        }
        match std::mem::replace(this.state, State::Finished) {
            State::Decided(outcome) => Poll::Ready(outcome),
            // Polled after it was ready.
            State::Waits(_) | State::Finished => Poll::Pending,
        }
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waits = matches!(self.state, State::Waits(_));
        f.debug_struct("Acquire")
            .field("waits", &waits)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// A place in the queue; dropping it leaves the queue.
struct Ticket {
    shared: Arc<Shared>,
    /// Until it is known what became of it.
    key: Option<usize>,
}

impl Ticket {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Slot, Rejected>> {
        let Some(key) = self.key else {
            return Poll::Pending;
        };
        let turn = self.shared.poll(key, cx.waker());
        self.conclude(turn)
    }

    fn expire(&mut self) -> Poll<Result<Slot, Rejected>> {
        let Some(key) = self.key else {
            return Poll::Pending;
        };
        let turn = self.shared.expire(key);
        self.conclude(turn)
    }

    fn conclude(&mut self, turn: Turn) -> Poll<Result<Slot, Rejected>> {
        let outcome = match turn {
            Turn::Waits => return Poll::Pending,
            Turn::Has(taken) => Ok(Slot::new(Arc::clone(&self.shared), taken)),
            Turn::Refused(rejected) => Err(rejected),
        };
        self.key = None;
        Poll::Ready(outcome)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.shared.leave(key);
        }
    }
}
