use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use towerblock_core::{Reason, Rejected};

use crate::counters::Counters;
use crate::mark::{Admitted, Change, Finished, Mark};
use crate::outcome::Outcome;
use crate::switch::Switch;
use crate::{Permit, Policy, State, Transition, Verdict};

/// A circuit around one dependency: who may call it, told by what became of those who did.
///
/// ```
/// use std::time::Duration;
///
/// use towerblock_breaker::{Circuit, Policy, State};
/// use towerblock_core::Reason;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), towerblock_core::Rejected> {
/// let billing = Circuit::new("billing", Policy::in_a_row(3));
/// for _ in 0..3 {
///     billing.try_acquire()?.failure();
/// }
/// let refused = billing.try_acquire().unwrap_err();
/// assert_eq!((refused.by(), refused.reason()), ("billing", Reason::CircuitOpen));
///
/// // Its first calls after that decide.
/// tokio::time::advance(Duration::from_secs(5)).await;
/// for _ in 0..3 {
///     billing.try_acquire()?.success();
/// }
/// assert_eq!(billing.state(), State::Closed);
/// # Ok(())
/// # }
/// ```
///
/// Clones share the state. Time is tokio's: it follows a runtime whose time is paused, and needs
/// no runtime otherwise.
#[derive(Clone)]
pub struct Circuit {
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    policy: Policy,
    switch: Switch,
    epoch: Instant,
    /// What the policy says, for it is asked at each call.
    times_all: bool,
    times_abandoned: bool,
    reads_clock: bool,
    counters: Counters,
    transitions: watch::Sender<Transition>,
}

/// Who was admitted, and since when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub(crate) generation: u32,
    pub(crate) since: Option<Instant>,
}

impl Circuit {
    /// A closed one. The name stands in refusals, logs and metrics, and in a
    /// [`Registry`](crate::Registry).
    #[must_use]
    pub fn new(name: &'static str, policy: Policy) -> Self {
        let transition = Transition {
            from: State::Closed,
            to: State::Closed,
            generation: 0,
        };
        let seed = RandomState::new().hash_one(name);
        let shared = Shared {
            name,
            policy,
            switch: Switch::new(&policy, seed),
            epoch: Instant::now(),
            times_all: policy.times_all(),
            times_abandoned: policy.times_abandoned(),
            reads_clock: policy.reads_clock(),
            counters: Counters::default(),
            transitions: watch::Sender::new(transition),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Leave to make one call. Whoever has it says what became of the call, or drops it when
    /// it is given up.
    ///
    /// # Errors
    ///
    /// [`Reason::CircuitOpen`], with the time until the next probe unless somebody has forced
    /// the circuit open.
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, Rejected> {
        let ticket = self.admit(self.shared.times_abandoned)?;
        Ok(Permit::new(self, ticket))
    }

    /// What it does now. Open is also what a circuit says that would let the next call through
    /// as a probe.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.switch.word().state()
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    /// Lets nobody pass until [`release`](Self::release) or [`force_closed`](Self::force_closed).
    /// What calls under way still report is ignored.
    pub fn force_open(&self) {
        self.tell(self.shared.switch.force(State::ForcedOpen));
    }

    /// Lets all pass and judges nothing until [`release`](Self::release) or
    /// [`force_open`](Self::force_open).
    pub fn force_closed(&self) {
        self.tell(self.shared.switch.force(State::ForcedClosed));
    }

    /// Closes a circuit that was forced, with nothing remembered. Any other is left alone.
    pub fn release(&self) {
        self.tell(self.shared.switch.force(State::Closed));
    }

    /// Follows the changes of state.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Transition> {
        self.shared.transitions.subscribe()
    }

    /// The refusal that [`try_acquire`](Self::try_acquire) would give now; it admits nobody and
    /// counts nothing.
    #[must_use]
    pub fn refuses(&self) -> Option<Rejected> {
        let shared = &*self.shared;
        if shared.switch.passes_all().is_some() {
            return None;
        }
        let left = shared.switch.refuses(&shared.policy, self.millis())?;
        Some(self.rejected(left))
    }

    /// Whether a call that is given up may have failed, for the time that it took.
    pub(crate) fn times_abandoned(&self) -> bool {
        self.shared.times_abandoned
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Milliseconds since the circuit was made.
    pub(crate) fn millis(&self) -> u64 {
        self.millis_at(Instant::now())
    }

    fn millis_at(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.shared.epoch);
        since.as_secs() * 1_000 + u64::from(since.subsec_millis())
    }

    #[inline]
    pub(crate) fn admit(&self, timed: bool) -> Result<Ticket, Rejected> {
        match self.shared.switch.passes_all() {
            Some(generation) => {
                let since = (timed || self.shared.times_all).then(Instant::now);
                Ok(Ticket { generation, since })
            }
            None => self.admit_one(),
        }
    }

    fn admit_one(&self) -> Result<Ticket, Rejected> {
        let shared = &*self.shared;
        let now = Instant::now();
        let generation = match shared.switch.admit(&shared.policy, self.millis_at(now)) {
            Admitted::Passes(generation) => generation,
            Admitted::Begins(change) => {
                self.tell(Some(change));
                change.generation
            }
            Admitted::Not(left) => {
                shared.counters.refused();
                return Err(self.rejected(left));
            }
        };
        // A probe is always worth the time.
        let since = Some(now);
        Ok(Ticket { generation, since })
    }

    #[inline]
    pub(crate) fn finish(&self, ticket: Ticket, outcome: Outcome) {
        let shared = &*self.shared;
        // Most calls go well, and few policies ask how long that took, or when it was.
        let well = matches!(outcome, Outcome::Told(Verdict::Success));
        if well && !shared.reads_clock && shared.switch.pass(&shared.policy, ticket.generation) {
            return;
        }
        self.finish_timed(ticket, outcome);
    }

    fn finish_timed(&self, ticket: Ticket, outcome: Outcome) {
        let shared = &*self.shared;
        let now = Instant::now();
        let millis = self.millis_at(now);
        if let Some(wait) = outcome.asks_for() {
            shared.switch.ask(millis + wait);
        }
        if matches!(outcome, Outcome::Abandoned { .. }) {
            shared.counters.abandoned();
        }
        let mark = outcome.mark(&shared.policy, ticket.since, now);
        if matches!(mark, Mark::Done { failed: true, .. }) {
            shared.counters.failed();
        }
        match shared
            .switch
            .finish(&shared.policy, ticket.generation, millis, mark)
        {
            Finished::Noted => {}
            Finished::Changed(change) => self.tell(Some(change)),
            Finished::Stale => shared.counters.stale(),
        }
    }

    /// Whether its outcome is one of many, and none of the few that decide.
    pub(crate) fn is_no_probe(&self, ticket: Ticket) -> bool {
        self.shared.switch.passes_all() == Some(ticket.generation)
    }

    pub(crate) fn rejected(&self, left: Option<u64>) -> Rejected {
        let rejected = Rejected::new(self.shared.name, Reason::CircuitOpen);
        left.map_or(rejected, |left| {
            rejected.with_retry_after(Duration::from_millis(left))
        })
    }

    fn tell(&self, change: Option<Change>) {
        let Some(Change {
            from,
            to,
            generation,
        }) = change
        else {
            return;
        };
        let shared = &*self.shared;
        tracing::warn!(circuit = shared.name, %from, %to, generation, "circuit changed");
        if to == State::Open {
            shared.counters.opened();
        }
        let transition = Transition {
            from,
            to,
            generation,
        };
        // Whoever was slower to tell must not undo what was told since.
        shared.transitions.send_if_modified(|last| {
            let news = transition.is_later_than(last);
            if news {
                *last = transition;
            }
            news
        });
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit")
            .field("name", &self.shared.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
