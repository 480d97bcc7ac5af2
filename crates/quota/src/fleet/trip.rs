use tokio::sync::watch;

use super::script::{self, Told};
use super::shared::Shared;
use super::slots::{Asks, Grant, Known, Need};
use crate::decision::Source;
use crate::level::Level;
use crate::outcome::Outcome;
use crate::plan::MOST;
use crate::state::Judged;
use crate::{Ask, Plan, RatePolicy};

/// How far a request gets without waiting.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is moved once, on the stack")]
pub(crate) enum Step<'a> {
    Decided(Outcome),
    /// Somebody asks for a lease that this one needs as well.
    Wait(watch::Receiver<()>),
    Ask(Trip<'a>),
}

/// One request, what it has been given of the levels of its plan, and what it has to ask Redis
/// for. Dropped, it gives all back that it was not admitted for.
#[derive(Debug)]
pub(crate) struct Trip<'a> {
    shared: &'a Shared,
    ask: &'a Ask,
    now: u64,
    levels: [Option<Stop<'a>>; MOST],
}

#[derive(Clone, Copy, Debug)]
struct Stop<'a> {
    policy: &'a RatePolicy,
    place: u8,
    key: u64,
    /// The largest lease.
    most: u64,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Judged(Judged),
    /// Of a lease that ends then.
    Spent(Judged, u64),
    /// To be asked, up to so much; the second is asked by nobody else meanwhile.
    Asks {
        most: u64,
        flight: bool,
    },
}

impl<'a> Trip<'a> {
    /// Spends what is there. A level that is asked alone fetches no lease, nor waits for one.
    pub(crate) fn begin(shared: &'a Shared, ask: &'a Ask, plan: &'a Plan, asks: Asks) -> Step<'a> {
        let mut trip = Self {
            shared,
            ask,
            now: shared.now(),
            levels: [None; MOST],
        };
        for (place, policy) in (0..).zip(&plan.rates) {
            let Some(key) = ask.key(policy.scope, policy.salt) else {
                continue;
            };
            let mut stop = Stop {
                policy,
                place,
                key,
                most: shared.most(policy),
                state: State::Judged(Judged::Never),
            };
            if ask.cost <= policy.rate.limit() {
                match shared.slots.spend(stop.need(ask, trip.now), asks) {
                    Known::Spent(judged, until) => stop.state = State::Spent(judged, until),
                    Known::Refused(judged) => stop.state = State::Judged(judged),
                    Known::Unknown { most, flight } => stop.state = State::Asks { most, flight },
                    Known::Asked(asked) => return Step::Wait(asked),
                }
            }
            if let Some(free) = trip.levels.get_mut(usize::from(place)) {
                *free = Some(stop);
            }
            if stop.is_refused() {
                // What the others would say is not asked.
                return Step::Decided(trip.end(Source::Remembered));
            }
        }
        let asks = trip.levels.iter().flatten().any(Stop::asks);
        match asks {
            true => Step::Ask(trip),
            false => Step::Decided(trip.end(Source::Lease)),
        }
    }

    /// Cancel safety: what Redis charged for a future that is dropped here is lost, and whoever
    /// waits for it asks.
    pub(crate) async fn go(mut self) -> Outcome {
        let (shared, ask) = (self.shared, self.ask);
        // It was charged after this.
        self.now = shared.now();
        let stops = self.levels.iter().flatten();
        let wants: Option<Vec<_>> = stops
            .filter_map(|stop| match stop.state {
                State::Asks { most, .. } => Some(shared.want(ask, stop.policy, most)),
                _ => None,
            })
            .collect();
        let wants = wants.unwrap_or_default();
        shared.counters.called();
        match script::decide(&shared.redis, shared.parts(), &wants).await {
            Ok(told) if told.len() == wants.len() && !told.is_empty() => {
                self.hear(&told);
                self.end(Source::Redis)
            }
            Ok(_) | Err(_) => {
                shared.counters.failed();
                // Also if the share refuses: whoever comes next does not wait for this again.
                shared.debts.close();
                drop(self);
                shared.share_and_owe(ask).outcome
            }
        }
    }

    fn hear(&mut self, told: &[Told]) {
        let (shared, ask, now) = (self.shared, self.ask, self.now);
        let asked = self.levels.iter_mut().flatten();
        let asked = asked.filter(|stop| stop.asks());
        for (stop, told) in asked.zip(told) {
            let need = stop.need(ask, now);
            let mut judged = told.judged;
            match &mut judged {
                Judged::Room { remaining, reset } if told.taken > 0 => {
                    let (left, reset) = (*remaining, *reset);
                    let (taken, lease) = (told.taken, shared.lease);
                    let grant = Grant {
                        taken,
                        lease,
                        left,
                        reset,
                    };
                    shared.slots.grant(need, grant);
                    *remaining = left.saturating_add(taken.saturating_sub(ask.cost));
                }
                Judged::Full { wait } | Judged::Blocked { wait } if !stop.policy.shadow => {
                    // Whoever is blocked is so for any cost.
                    let all =
                        stop.policy.penalty > 0 || matches!(told.judged, Judged::Blocked { .. });
                    let cost = if all { 1 } else { ask.cost };
                    // What comes back one by one is fetched together.
                    let pause = if stop.most > 0 { shared.lease / 4 } else { 0 };
                    let until = now.saturating_add(pause.max(*wait));
                    shared.slots.refuse(Need { cost, ..need }, until);
                }
                _ => {}
            }
            stop.land(shared);
            stop.state = State::Judged(judged);
        }
    }

    /// What it comes to; what was spent stays spent if it may go on.
    fn end(mut self, source: Source) -> Outcome {
        let mut outcome = Outcome::admitted();
        for stop in self.levels.iter().flatten() {
            let mut level = Level::new(stop.policy, stop.place, stop.key, 0);
            level.slot = Some(0);
            level.judged = match stop.state {
                State::Judged(judged) | State::Spent(judged, _) => judged,
                State::Asks { .. } => continue,
            };
            outcome.add(&level);
        }
        if outcome.is_admitted() {
            self.levels = [None; MOST];
        }
        outcome.source = source;
        self.shared.counters.count(&outcome);
        outcome
    }
}

impl Drop for Trip<'_> {
    fn drop(&mut self) {
        for stop in self.levels.iter().flatten() {
            if let State::Spent(_, until) = stop.state {
                let cost = self.ask.cost;
                self.shared.slots.give_back(stop.key, cost, until);
            }
            stop.land(self.shared);
        }
    }
}

impl Stop<'_> {
    fn need(&self, ask: &Ask, now: u64) -> Need<'_> {
        Need {
            key: self.key,
            rate: &self.policy.rate,
            cost: ask.cost,
            most: self.most,
            now,
        }
    }

    const fn asks(&self) -> bool {
        matches!(self.state, State::Asks { .. })
    }

    fn is_refused(&self) -> bool {
        let full = matches!(
            self.state,
            State::Judged(Judged::Full { .. } | Judged::Blocked { .. } | Judged::Never)
        );
        full && !self.policy.shadow
    }

    /// Whoever waits for this one to have asked goes on.
    fn land(&self, shared: &Shared) {
        if let State::Asks { flight: true, .. } = self.state {
            shared.slots.land(self.key);
        }
    }
}
