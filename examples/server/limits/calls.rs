//! Calls of a month: added up here, and counted in the store once in a second, so that none of
//! them waits for it.
//!
//! What others counted is known as it was a second ago. So beyond its quota a tenant gets what
//! its rates let through in a second and the time of a statement, over all instances; while
//! the store is away, each of them counts for itself. An instance that is killed takes a
//! second's calls with it, in the tenant's favour; one that ends in order takes none.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex as Turn;
use tokio::time::timeout;
use towerblock_core::{Metric, Rejected, Stats, TenantId, Value};
use towerblock_quota::{Claim, Name, Quota};

use super::tally::Tally;
use super::tell;
use crate::store::{Store, StoreError};

/// Tenants that are counted at once, in some 100 bytes each. The calls of more are admitted.
const MOST: usize = 100_000;

pub(crate) struct Calls {
    resource: Name,
    tally: Mutex<Tally>,
    /// One statement at a time.
    settling: Turn<()>,
}

impl Calls {
    pub(crate) fn new(resource: Name) -> Self {
        let now = Timestamp::now().as_second();
        Self {
            resource,
            tally: Mutex::new(Tally::new(MOST, now)),
            settling: Turn::new(()),
        }
    }

    /// Counts one, unless the month is used up.
    pub(crate) fn count(&self, tenant: &TenantId, quota: Quota) -> Result<(), Rejected> {
        let now = Timestamp::now().as_second();
        self.tally().count(tenant, quota, now)
    }

    /// What the store is asked for a tenant's month, what it was not told yet, and when the month
    /// is over, in seconds since 1970.
    pub(crate) fn claim(&self, tenant: &TenantId, quota: Quota) -> (Claim, u64, i64) {
        let tally = self.tally();
        let untold = tally.untold(tenant);
        let claim = Claim::new(tenant, &self.resource, quota).period(tally.period);
        (claim, untold, tally.period.end())
    }

    /// Has the store count what was called.
    ///
    /// Cancel safety: what the store was being told is lost. Only the end of the process
    /// drops it.
    pub(crate) async fn settle(&self, store: &dyn Store) {
        let _turn = self.settling.lock().await;
        let counted = self.tally().take(Timestamp::now().as_second());
        if counted.is_empty() {
            return;
        }
        let claims: Vec<_> = counted
            .iter()
            .map(|one| one.claim(&self.resource))
            .collect();
        match store.count(&claims).await {
            Ok(usages) => {
                usages.iter().for_each(tell);
                self.tally().settled(&counted, &usages);
            }
            Err(error) if is_unknown(&error) => {
                let calls: u64 = counted.iter().map(|one| one.calls).sum();
                tracing::warn!(calls, %error, "calls may not have been counted");
                self.tally().lose(&counted);
            }
            Err(error) => {
                tracing::debug!(%error, "calls are counted later");
                self.tally().put_back(counted);
            }
        }
    }

    /// Has the store count what is left, for so long.
    pub(crate) async fn shutdown(&self, store: &dyn Store, grace: Duration) {
        if timeout(grace, self.settle(store)).await.is_err() {
            tracing::warn!("stopped before all calls were counted");
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        // Whoever panicked left whole numbers behind.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody knows whether it was done. To count it again might be to count it twice.
fn is_unknown(error: &StoreError) -> bool {
    matches!(error, StoreError::Database(error) if error.is_commit_unknown())
}

impl Stats for Calls {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let tally = self.tally();
        let tenants = u32::try_from(tally.len()).unwrap_or(u32::MAX);
        sink(&TENANTS, "", Value::Level(tenants.into()));
        sink(&UNCOUNTED, "", Value::Count(tally.uncounted));
        sink(&LOST, "", Value::Count(tally.lost));
    }
}

static TENANTS: Metric = Metric::gauge(
    "calls_tenants",
    "tenants",
    "Tenants whose calls are added up",
);
static UNCOUNTED: Metric = Metric::counter(
    "calls_uncounted",
    "calls",
    "Calls of more tenants than are added up",
);
static LOST: Metric = Metric::counter(
    "calls_lost",
    "calls",
    "Calls of which nobody knows whether they were counted",
);
static METRICS: &[Metric] = &[TENANTS, UNCOUNTED, LOST];
