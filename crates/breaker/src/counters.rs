use std::sync::atomic::{AtomicU64, Ordering};

use towerblock_core::{Metric, Stats, Value};

use crate::{Circuit, State};

/// None of them orders anything else.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    opened: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    abandoned: AtomicU64,
    stale: AtomicU64,
    degraded: AtomicU64,
}

impl Counters {
    pub(crate) fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn abandoned(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    /// The outcome of a call that was admitted before the state changed.
    pub(crate) fn stale(&self) {
        self.stale.fetch_add(1, Ordering::Relaxed);
    }

    /// A fallback answered.
    #[cfg(feature = "http")]
    pub(crate) fn degraded(&self) {
        self.degraded.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self, name: &str, state: State, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let level = match state {
            State::Closed => 0.0,
            State::HalfOpen => 1.0,
            State::Open => 2.0,
            State::ForcedOpen => 3.0,
            State::ForcedClosed => 4.0,
        };
        sink(&STATE, name, Value::Level(level));
        for (metric, counter) in [
            (&OPENED, &self.opened),
            (&REFUSED, &self.refused),
            (&FAILED, &self.failed),
            (&ABANDONED, &self.abandoned),
            (&STALE, &self.stale),
            (&DEGRADED, &self.degraded),
        ] {
            sink(metric, name, Value::Count(counter.load(Ordering::Relaxed)));
        }
    }
}

impl Stats for Circuit {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        self.counters().read(self.name(), self.state(), sink);
    }
}

static STATE: Metric = Metric::gauge(
    "breaker_state",
    "",
    "0 closed, 1 half-open, 2 open, 3 forced open, 4 forced closed",
)
.labelled("circuit");
static OPENED: Metric =
    Metric::counter("breaker_opened", "", "Times that a circuit has opened").labelled("circuit");
static REFUSED: Metric =
    Metric::counter("breaker_refused", "calls", "Calls that a circuit refused").labelled("circuit");
static FAILED: Metric =
    Metric::counter("breaker_failed", "calls", "Calls that failed").labelled("circuit");
static ABANDONED: Metric = Metric::counter(
    "breaker_abandoned",
    "calls",
    "Calls that were given up or panicked",
)
.labelled("circuit");
static STALE: Metric = Metric::counter(
    "breaker_stale",
    "calls",
    "Outcomes that came after the state had changed, and were ignored",
)
.labelled("circuit");
static DEGRADED: Metric = Metric::counter(
    "breaker_degraded",
    "calls",
    "Calls that a fallback has answered",
)
.labelled("circuit");
pub(crate) static METRICS: &[Metric] =
    &[STATE, OPENED, REFUSED, FAILED, ABANDONED, STALE, DEGRADED];
