//! What is known of the queries: by label since the start, by tenant for some minutes.

mod cause;
mod distinct;
mod labels;
mod metrics;
mod report;
mod sample;
mod sketch;
mod slow;
mod tally;
mod tenants;
#[cfg(test)]
mod tests;
mod times;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::TenantId;

pub use self::cause::Cause;
use self::labels::Labels;
pub(crate) use self::metrics::METRICS;
pub use self::report::{LabelReport, Report, SlowQuery, Spread, TenantLoad, Total, Window};
pub(crate) use self::sample::{Outcome, Sample};
use self::slow::Slow;
use self::tally::Tally;
use self::tenants::Tenants;
use self::window::{WINDOWS, micros, window};

const SLOW_AFTER: Duration = Duration::from_millis(100);

/// Counts queries: by label since the start, by tenant over the last 15 minutes.
///
/// ```
/// use std::time::Duration;
///
/// use tokio::time::Instant;
/// use towerblock_core::TenantId;
/// use towerblock_postgres::Statistics;
///
/// let now = Instant::now();
/// let statistics = Statistics::new(now);
/// let acme = TenantId::new("acme").unwrap();
/// let took = Duration::from_millis(120);
/// statistics.record_query("orders.list", Some(&acme), took, 20, now);
/// statistics.record_query("orders.get", Some(&acme), took / 100, 1, now);
///
/// let report = statistics.report(now);
/// assert_eq!((report.total.queries, report.total.rows), (2, 21));
/// assert_eq!(report.labels[0].label, "orders.list");
/// assert_eq!(report.slow[0].tenant, Some(acme));
/// assert_eq!(report.slow_only().labels.len(), 1);
/// ```
///
/// *What is held.* Up to 512 labels with 82 KB each, the last 100 slow queries, and for each
/// of the last 15 minutes the 1,024 tenants that held connections longest, some 200 KB.
///
/// A clone counts into the same.
#[derive(Clone, Debug)]
pub struct Statistics {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    since: Instant,
    slow_after: Duration,
    labels: Labels,
    tenants: Mutex<Tenants>,
    slow: Mutex<Slow>,
}

impl Statistics {
    /// Counts from now on. A query that executes 100 ms or longer is slow.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self::with_slow_after(SLOW_AFTER, now)
    }

    /// Counts from now on. A query that executes so long or longer is slow.
    #[must_use]
    pub fn with_slow_after(slow_after: Duration, now: Instant) -> Self {
        Self {
            shared: Arc::new(Shared {
                since: now,
                slow_after,
                labels: Labels::new(),
                tenants: Mutex::new(Tenants::new(now)),
                slow: Mutex::new(Slow::new(now)),
            }),
        }
    }

    /// Counts a query that went another way than through the cluster, as one that succeeded,
    /// waited for nothing, and held its connection no longer than it executed.
    pub fn record_query(
        &self,
        label: &'static str,
        tenant: Option<&TenantId>,
        took: Duration,
        rows: u64,
        now: Instant,
    ) {
        let sample = Sample {
            label,
            tenant,
            wait: Duration::ZERO,
            connect: Duration::ZERO,
            execute: took,
            hold: took,
            rows,
            outcome: Outcome::Ok,
        };
        self.record(&sample, now);
    }

    pub(crate) fn record(&self, sample: &Sample<'_>, now: Instant) {
        let ran = sample.outcome != Outcome::Refused;
        let slow = ran && sample.execute >= self.shared.slow_after;
        let label = self.shared.labels.of(sample.label);
        label.add(sample, slow);
        if let (Some(tenant), true) = (sample.tenant, ran) {
            let tally = Tally {
                queries: 1,
                rows: sample.rows,
                execute: micros(sample.execute),
                hold: micros(sample.hold),
            };
            lock(&self.shared.tenants).add(tenant, tally, now);
        }
        if slow {
            let (name, took) = (label.name(), sample.execute);
            lock(&self.shared.slow).add(name, sample.tenant, took, now);
        }
    }

    /// What is known now.
    #[must_use]
    pub fn report(&self, now: Instant) -> Report {
        let mut labels: Vec<_> = self.shared.labels.all().map(LabelReport::of).collect();
        labels.sort_unstable_by(|one, other| {
            let by_time = other.total.cmp(&one.total);
            by_time.then_with(|| one.label.cmp(other.label))
        });
        let age = now.saturating_duration_since(self.shared.since);
        let minutes = lock(&self.shared.tenants).minutes(now);
        let (slow_per_minute, slow) = {
            let mut slow = lock(&self.shared.slow);
            (slow.per_minute(now), slow.queries(now))
        };
        Report {
            age,
            slow_after: self.shared.slow_after,
            total: Total::of(&labels),
            labels,
            slow_per_minute,
            slow,
            windows: WINDOWS
                .iter()
                .map(|length| window(&minutes, *length, age))
                .collect(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
