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

use super::tally::{Tally, place_of};
use super::tell;
use crate::store::{Store, StoreError};

/// Tenants that are counted at once, in some 100 bytes each. The calls of more are admitted.
const MOST: usize = 100_000;
/// So that two cores seldom meet.
const SHARDS: usize = 16;

pub(crate) struct Calls {
    resource: Name,
    /// Each of a part of the tenants.
    tallies: [Mutex<Tally>; SHARDS],
    /// One statement at a time.
    settling: Turn<()>,
}

impl Calls {
    pub(crate) fn new(resource: Name) -> Self {
        let now = Timestamp::now().as_second();
        let tally = |_| Mutex::new(Tally::new(MOST / SHARDS, now));
        Self {
            resource,
            tallies: std::array::from_fn(tally),
            settling: Turn::new(()),
        }
    }

    /// Counts one, unless the month is used up.
    pub(crate) fn count(&self, tenant: &TenantId, quota: Quota) -> Result<(), Rejected> {
        let now = Timestamp::now().as_second();
        self.tally_of(tenant).count(tenant, quota, now)
    }

    /// What the store is asked for a tenant's month, what it was not told yet, and when the month
    /// is over, in seconds since 1970.
    pub(crate) fn claim(&self, tenant: &TenantId, quota: Quota) -> (Claim, u64, i64) {
        let tally = self.tally_of(tenant);
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
        let now = Timestamp::now().as_second();
        let counted = self.tallies.each_ref().map(|tally| lock(tally).take(now));
        let claims: Vec<_> = counted
            .iter()
            .flatten()
            .map(|one| one.claim(&self.resource))
            .collect();
        if claims.is_empty() {
            return;
        }
        let tallies = self.tallies.iter().map(lock);
        match store.count(&claims).await {
            Ok(usages) => {
                usages.iter().for_each(tell);
                let mut usages = &*usages;
                for (mut tally, counted) in tallies.zip(&counted) {
                    let (own, others) = usages.split_at(counted.len().min(usages.len()));
                    tally.settled(counted, own);
                    usages = others;
                }
            }
            Err(error) if is_unknown(&error) => {
                let calls: u64 = counted.iter().flatten().map(|one| one.calls).sum();
                tracing::warn!(calls, %error, "calls may not have been counted");
                for (mut tally, counted) in tallies.zip(&counted) {
                    tally.lose(counted);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "calls are counted later");
                for (mut tally, counted) in tallies.zip(counted) {
                    tally.put_back(counted);
                }
            }
        }
    }

    /// Has the store count what is left, for so long.
    pub(crate) async fn shutdown(&self, store: &dyn Store, grace: Duration) {
        if timeout(grace, self.settle(store)).await.is_err() {
            tracing::warn!("stopped before all calls were counted");
        }
    }

    fn tally_of(&self, tenant: &TenantId) -> MutexGuard<'_, Tally> {
        let [first, ..] = &self.tallies;
        lock(self.tallies.get(place_of(tenant, SHARDS)).unwrap_or(first))
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    // Whoever panicked left whole numbers behind.
    tally.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (mut tenants, mut uncounted, mut lost) = (0_usize, 0, 0);
        for tally in self.tallies.iter().map(lock) {
            tenants += tally.len();
            uncounted += tally.uncounted;
            lost += tally.lost;
        }
        let tenants = u32::try_from(tenants).unwrap_or(u32::MAX);
        sink(&TENANTS, "", Value::Level(tenants.into()));
        sink(&UNCOUNTED, "", Value::Count(uncounted));
        sink(&LOST, "", Value::Count(lost));
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

#[cfg(test)]
mod tests {
    use towerblock_quota::{Name, Quota};
    use towerblock_tenant::Tenant;

    use super::Calls;
    use crate::demo;
    use crate::memory::MemoryStore;
    use crate::store::Store as _;

    const SIXTY: Quota = Quota::monthly(60);

    #[tokio::test]
    async fn each_tenant_is_told_what_it_called_whoever_counts_it() {
        let tenants: Vec<Tenant> = demo::tenants().take(50).collect();
        let store = MemoryStore::new(&tenants).unwrap();
        let calls = Calls::new(Name::new("api_calls").unwrap());
        for (called, tenant) in tenants.iter().enumerate() {
            for _ in 0..called {
                calls.count(&tenant.id, SIXTY).unwrap();
            }
        }
        calls.settle(&store).await;
        for (called, tenant) in tenants.iter().enumerate() {
            let (claim, untold, _) = calls.claim(&tenant.id, SIXTY);
            let told = store.usage(tenant, &[claim]).await.unwrap();
            let told: Vec<_> = told.iter().map(|usage| usage.used).collect();
            assert_eq!((untold, told), (0, vec![called as u64]));
            let more = (0..60).filter(|_| calls.count(&tenant.id, SIXTY).is_ok());
            assert_eq!(more.count(), 60 - called, "{called}");
        }
    }
}
