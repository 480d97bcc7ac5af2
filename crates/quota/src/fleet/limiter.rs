use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use towerblock_core::{Metric, Stats, Value};

use super::counters::METRICS;
use super::keeper;
use super::settings::Fleet;
use super::shared::Shared;
use super::slots::Asks;
use super::trip::{Step, Trip};
use crate::limits::Asked;
use crate::outcome::Outcome;
use crate::{Ask, Decision};

/// What everybody has used of all instances, in Redis. Clones share it.
///
/// ```no_run
/// use std::num::NonZeroUsize;
/// use towerblock_quota::{Fleet, FleetLimiter};
/// use towerblock_redis::{Redis, Settings};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let redis = Redis::connect(Settings::from_url("redis://127.0.0.1:6379/0")?);
/// let capacity = NonZeroUsize::new(100_000).unwrap();
/// let limiter = FleetLimiter::start(capacity, Fleet::new(redis, "shop")?);
/// # let _ = limiter;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FleetLimiter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// Dropping it ends the task.
    _task: JoinSet<()>,
}

/// So long a request waits for others to fetch leases that are spent before it gets to them.
const PATIENCE: Duration = Duration::from_millis(50);

impl FleetLimiter {
    /// Begins to ask Redis once it is there; until then, and whenever it is away, each
    /// instance admits its part of all rates. Of so many keys it remembers leases, refusals and
    /// shares, in a fixed size of some 200 bytes each; whoever finds no place asks Redis each time.
    ///
    /// Its connections and its task end with the last clone.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, which they run on.
    #[must_use]
    pub fn start(capacity: NonZeroUsize, fleet: Fleet) -> Self {
        let shared = Arc::new(Shared::new(capacity, fleet));
        let mut task = JoinSet::new();
        let kept = Arc::clone(&shared);
        task.spawn(async move { keeper::keep(&kept).await });
        let inner = Arc::new(Inner {
            shared,
            _task: task,
        });
        Self { inner }
    }

    /// Charges all policies of the plan, or, if one of them refuses, none.
    ///
    /// It waits for Redis no longer than the [timeout](towerblock_redis::Settings::timeout) of that,
    /// up to 50 ms more while others fetch leases, and not at all while Redis is away. An error of
    /// Redis is no refusal: then this instance's share decides.
    ///
    /// Cancel safety: what was charged in Redis when it is dropped stays charged.
    pub async fn decide(&self, ask: Ask) -> Decision {
        match self.at_hand(&ask) {
            Some(decision) => decision,
            None => self.ask(ask).await,
        }
    }

    /// How many instances there are, as far as is known.
    #[must_use]
    pub fn instances(&self) -> u64 {
        self.inner.shared.parts()
    }

    /// Whether Redis is asked: it is there, and nothing is owed to it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.inner.shared.debts.are_settled()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.inner.shared.bytes()
    }

    /// What was decided, or what has to be waited for.
    pub(crate) fn enter(&self, ask: Ask) -> Result<Decision, Asked> {
        self.at_hand(&ask).ok_or_else(|| {
            let limiter = self.clone();
            Asked(Box::pin(async move { limiter.ask(ask).await }))
        })
    }

    /// What can be decided without waiting.
    fn at_hand(&self, ask: &Ask) -> Option<Decision> {
        let shared = &*self.inner.shared;
        let Some(plan) = &ask.plan else {
            return Some(Decision::exempt());
        };
        if plan.rates.is_empty() {
            return Some(Outcome::admitted().under(Arc::clone(plan)));
        }
        // Names that clients make up do not get as far as Redis.
        if !ask.verified {
            return Some(shared.share(ask));
        }
        match Trip::begin(shared, ask, plan, Asks::Nobody) {
            Step::Decided(outcome) => Some(outcome.under(Arc::clone(plan))),
            step if !shared.debts.are_settled() => {
                // It gives back what it has spent.
                drop(step);
                Some(shared.share_and_owe(ask))
            }
            Step::Wait(_) | Step::Ask(_) => None,
        }
    }

    async fn ask(&self, ask: Ask) -> Decision {
        let shared = &*self.inner.shared;
        let Some(plan) = ask.plan.clone() else {
            return Decision::exempt();
        };
        let deadline = Instant::now() + PATIENCE;
        let mut asks = Asks::Together;
        loop {
            let mut waits = match Trip::begin(shared, &ask, &plan, asks) {
                Step::Decided(outcome) => return outcome.under(Arc::clone(&plan)),
                Step::Ask(trip) => return trip.go().await.under(Arc::clone(&plan)),
                Step::Wait(waits) => waits,
            };
            // Cancel safety: nothing is held here. An error is the end of what it waits for.
            if timeout_at(deadline, waits.changed()).await.is_err() {
                asks = Asks::Alone;
            }
            if !shared.debts.are_settled() {
                return shared.share_and_owe(&ask);
            }
        }
    }
}

impl Stats for FleetLimiter {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let shared = &*self.inner.shared;
        let owed = shared.debts.len();
        shared.counters.read(shared.parts(), owed, sink);
    }
}
