use std::sync::atomic::{AtomicU64, Ordering};

use towerblock_core::{Metric, Value};

use crate::Source;
use crate::outcome::Outcome;

/// None of them orders anything else.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    redis: AtomicU64,
    lease: AtomicU64,
    remembered: AtomicU64,
    share: AtomicU64,
    calls: AtomicU64,
    errors: AtomicU64,
    settled: AtomicU64,
    forgotten: AtomicU64,
}

impl Counters {
    pub(crate) fn count(&self, outcome: &Outcome) {
        let counter = match outcome.source {
            Source::Lease => &self.lease,
            Source::Remembered => &self.remembered,
            Source::Share => &self.share,
            _ => &self.redis,
        };
        add(counter, 1);
    }

    pub(crate) fn called(&self) {
        add(&self.calls, 1);
    }

    pub(crate) fn failed(&self) {
        add(&self.errors, 1);
    }

    pub(crate) fn settled(&self, debts: usize) {
        add(&self.settled, debts as u64);
    }

    pub(crate) fn forgotten(&self) {
        add(&self.forgotten, 1);
    }

    pub(crate) fn read(
        &self,
        instances: u64,
        owed: usize,
        sink: &mut dyn FnMut(&'static Metric, &str, Value),
    ) {
        let count = |counter: &AtomicU64| Value::Count(counter.load(Ordering::Relaxed));
        for (label, counter) in [
            ("redis", &self.redis),
            ("lease", &self.lease),
            ("remembered", &self.remembered),
            ("share", &self.share),
        ] {
            sink(&DECIDED, label, count(counter));
        }
        sink(&CALLS, "", count(&self.calls));
        sink(&ERRORS, "", count(&self.errors));
        sink(&SETTLED, "", count(&self.settled));
        sink(&FORGOTTEN, "", count(&self.forgotten));
        #[expect(clippy::cast_precision_loss, reason = "there are fewer")]
        let levels = [instances as f64, owed as f64];
        for (metric, level) in [&INSTANCES, &OWED].into_iter().zip(levels) {
            sink(metric, "", Value::Level(level));
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

static DECIDED: Metric = Metric::counter(
    "quota_fleet_decided",
    "requests",
    "Requests that were decided, by what was asked",
)
.labelled("source");
static CALLS: Metric = Metric::counter("quota_fleet_calls", "calls", "Calls that asked Redis");
static ERRORS: Metric = Metric::counter(
    "quota_fleet_errors",
    "calls",
    "Calls that were not answered; a share decided",
);
static SETTLED: Metric = Metric::counter(
    "quota_fleet_settled",
    "keys",
    "Keys whose use while Redis was away was charged when it was back",
);
static FORGOTTEN: Metric = Metric::counter(
    "quota_fleet_forgotten",
    "requests",
    "Requests that will never be charged in Redis, for want of a place to note them",
);
static INSTANCES: Metric = Metric::gauge(
    "quota_fleet_instances",
    "instances",
    "Instances, as far as is known",
);
static OWED: Metric = Metric::gauge(
    "quota_fleet_owed",
    "keys",
    "Keys whose use is to be charged in Redis",
);
pub(crate) static METRICS: &[Metric] =
    &[DECIDED, CALLS, ERRORS, SETTLED, FORGOTTEN, INSTANCES, OWED];
