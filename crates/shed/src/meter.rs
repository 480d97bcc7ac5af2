use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Adaptive;
use crate::gradient::Gradient;
use crate::window::{Totals, Window};

/// So many in a window are enough for its mean; the others are not timed.
const ENOUGH: u64 = 64;
/// At least one of so many is timed: of 2 to the power of this.
const FEWEST: u32 = 4;

/// Times requests, and knows what that says about the limit.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Which window it is. Read without the lock, for tickets.
    epoch: AtomicU32,
    /// One of 2 to the power of this is timed.
    skips: AtomicU32,
    /// The mean time of the last window in nanoseconds; 0 while it is not known.
    mean: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    policy: Gradient,
    window: Window,
}

/// A request that is timed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    begun: Instant,
    epoch: u32,
    in_flight: usize,
}

impl Meter {
    pub(crate) fn new(settings: Adaptive, now: Instant) -> Self {
        let state = State {
            policy: Gradient::new(settings),
            window: Window::new(now, Totals::default()),
        };
        Self {
            epoch: AtomicU32::new(0),
            skips: AtomicU32::new(0),
            mean: AtomicU64::new(0),
            state: Mutex::new(state),
        }
    }

    /// Times the `n`th request, or does not: two readings of the clock are not free.
    pub(crate) fn begin(&self, n: u64, in_flight: impl FnOnce() -> usize) -> Option<Ticket> {
        // Spread, so that what comes in turns is not timed always at the same turn.
        let spread = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (spread.leading_zeros() >= self.skips.load(Ordering::Relaxed)).then(|| Ticket {
            begun: Instant::now(),
            epoch: self.epoch.load(Ordering::Relaxed),
            in_flight: in_flight(),
        })
    }

    /// The new limit, if there is one. A failure counts like one that was given up.
    pub(crate) fn end(
        &self,
        ticket: &Ticket,
        answered: bool,
        now: Instant,
        totals: Totals,
    ) -> Option<NonZeroUsize> {
        let took = now.saturating_duration_since(ticket.begun);
        let mut state = self.state();
        // From an earlier window than the last, it tells how things were, not how they are.
        let epoch = self.epoch.load(Ordering::Relaxed);
        if epoch.wrapping_sub(ticket.epoch) <= 1 {
            state.count(took, answered, ticket.in_flight);
        }
        let least = state.policy.window();
        let seen = state.window.turn(least, now, totals)?;
        state.policy.update(&seen);
        self.epoch.store(epoch.wrapping_add(1), Ordering::Relaxed);
        let skips = (seen.admitted / ENOUGH).max(1).ilog2().min(FEWEST);
        self.skips.store(skips, Ordering::Relaxed);
        let mean = Duration::try_from_secs_f64(seen.mean).unwrap_or_default();
        let nanos = u64::try_from(mean.as_nanos()).unwrap_or(u64::MAX);
        self.mean.store(nanos, Ordering::Relaxed);
        NonZeroUsize::new(state.policy.limit())
    }

    /// How long a request takes, once that was seen.
    pub(crate) fn mean(&self) -> Option<Duration> {
        let nanos = self.mean.load(Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No user code runs under this lock, so what a panic left is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self, took: Duration, answered: bool, in_flight: usize) {
        if answered {
            self.window.answered(took, in_flight);
        } else if self.policy.tolerated().is_some_and(|most| took > most) {
            self.window.given_up(in_flight);
        }
        // What is given up or fails at once says nothing about how much there is to do.
    }
}
