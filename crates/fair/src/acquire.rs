use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};
use towerblock_core::Rejected;

use crate::Slot;
use crate::shared::Shared;
use crate::sync::Arc;
use crate::turns::Turn;

/// Future of [`FairSemaphore::acquire`](crate::FairSemaphore::acquire) and
/// [`acquire_before`](crate::FairSemaphore::acquire_before).
///
/// It has its place in the queue from the call that made it. Dropping it gives up the
/// place, and the slot, if it was handed one that it was not polled for yet.
#[must_use = "futures do nothing unless polled"]
pub struct Acquire {
    state: State,
    deadline: Option<Instant>,
    /// Made where it has to wait, and only where there is a deadline: boxed, since it is
    /// four times the rest, which is moved wherever a slot is free.
    sleep: Option<Pin<Box<Sleep>>>,
}

enum State {
    Decided(Result<Slot, Rejected>),
    Waits(Ticket),
    Finished,
}

impl Acquire {
    #[inline]
    pub(crate) fn decided(outcome: Result<Slot, Rejected>) -> Self {
        Self {
            state: State::Decided(outcome),
            deadline: None,
            sleep: None,
        }
    }

    fn poll_waiting(
        &mut self,
        mut ticket: Ticket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Slot, Rejected>> {
        let mut outcome = ticket.poll(cx);
        if let (true, Some(deadline)) = (outcome.is_pending(), self.deadline) {
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if sleep.as_mut().poll(cx).is_ready() {
                outcome = ticket.expire();
            }
        }
        if outcome.is_pending() {
            self.state = State::Waits(ticket);
        }
        outcome
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

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match mem::replace(&mut self.state, State::Finished) {
            State::Decided(outcome) => Poll::Ready(outcome),
            State::Waits(ticket) => self.poll_waiting(ticket, cx),
            // Polled after it was ready.
            State::Finished => Poll::Pending,
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
