//! Whose calls of the month there are, and whether there may be more.

use std::collections::HashMap;
use std::time::Duration;

use towerblock_core::{Reason, Rejected, TenantId};
use towerblock_quota::{Anchor, Claim, Name, Period, Quota, Usage};

/// A day is long enough for whoever obeys it, and plans change.
const LONGEST_WAIT: i64 = 86_400;

/// The calls of all tenants in a month.
pub(super) struct Tally {
    pub(super) period: Period,
    tenants: HashMap<TenantId, Count>,
    /// What is left of the month before.
    before: Vec<Counted>,
    most: usize,
    pub(super) uncounted: u64,
    pub(super) lost: u64,
}

#[derive(Clone, Copy)]
struct Count {
    quota: Quota,
    /// By the store.
    known: u64,
    /// The store is being told.
    told: u64,
    /// The store is yet to be told.
    new: u64,
    /// Since the store was told.
    is_asked: bool,
}

/// Calls of one tenant that the store is told of.
pub(super) struct Counted {
    tenant: TenantId,
    quota: Quota,
    period: Period,
    pub(super) calls: u64,
}

impl Tally {
    pub(super) fn new(most: usize, now: i64) -> Self {
        Self {
            period: Anchor::default().period_at(now),
            tenants: HashMap::new(),
            before: Vec::new(),
            most,
            uncounted: 0,
            lost: 0,
        }
    }

    /// One of a tenant's, unless its month is used up.
    pub(super) fn count(
        &mut self,
        tenant: &TenantId,
        quota: Quota,
        now: i64,
    ) -> Result<(), Rejected> {
        self.turn(now);
        let is_full = self.tenants.len() >= self.most;
        let count = match self.tenants.get_mut(tenant) {
            Some(count) => count,
            None if is_full => {
                self.uncounted += 1;
                return Ok(());
            }
            None => self
                .tenants
                .entry(tenant.clone())
                .or_insert(Count::new(quota)),
        };
        (count.quota, count.is_asked) = (quota, true);
        if !count.has_room() {
            let left = self.period.end().saturating_sub(now);
            let left = u64::try_from(left.clamp(1, LONGEST_WAIT)).unwrap_or(1);
            let wait = Duration::from_secs(left);
            return Err(Rejected::new("quota", Reason::PeriodQuota).with_retry_after(wait));
        }
        count.new += 1;
        Ok(())
    }

    /// Whatever the store is to be told, of which it tells how much there is. Whoever did not
    /// ask since is forgotten, unless they would get a second more of calls by that.
    pub(super) fn take(&mut self, now: i64) -> Vec<Counted> {
        self.turn(now);
        self.tenants
            .retain(|_, count| count.is_asked || count.new > 0 || !count.has_room());
        let period = self.period;
        let asked = self.tenants.iter_mut().filter(|(_, count)| count.is_asked);
        let asked = asked.map(|(tenant, count)| {
            count.is_asked = false;
            count.told = std::mem::take(&mut count.new);
            Counted {
                tenant: tenant.clone(),
                quota: count.quota,
                period,
                calls: count.told,
            }
        });
        self.before.drain(..).chain(asked).collect()
    }

    pub(super) fn settled(&mut self, counted: &[Counted], usages: &[Usage]) {
        for (one, usage) in counted.iter().zip(usages) {
            if let Some(count) = self.told(one) {
                (count.known, count.told) = (usage.used, 0);
            }
        }
    }

    pub(super) fn put_back(&mut self, counted: Vec<Counted>) {
        for one in counted {
            match self.told(&one) {
                Some(count) => {
                    (count.new, count.told) = (count.new + one.calls, 0);
                    count.is_asked = true;
                }
                None if one.calls > 0 => self.before.push(one),
                None => {}
            }
        }
    }

    pub(super) fn lose(&mut self, counted: &[Counted]) {
        for one in counted {
            self.lost += one.calls;
            if let Some(count) = self.told(one) {
                count.told = 0;
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.tenants.len()
    }

    /// What the store does not know of.
    pub(super) fn untold(&self, tenant: &TenantId) -> u64 {
        let count = self.tenants.get(tenant);
        count.map_or(0, |count| count.told + count.new)
    }

    fn told(&mut self, one: &Counted) -> Option<&mut Count> {
        let is_now = one.period == self.period;
        self.tenants.get_mut(&one.tenant).filter(|_| is_now)
    }

    /// Begins another month, once it is there.
    fn turn(&mut self, now: i64) {
        if now < self.period.end() {
            return;
        }
        let before = self.period;
        self.period = Anchor::default().period_at(now);
        let left = self.tenants.drain().filter(|(_, count)| count.new > 0);
        self.before.extend(left.map(|(tenant, count)| Counted {
            tenant,
            quota: count.quota,
            period: before,
            calls: count.new,
        }));
    }
}

impl Count {
    const fn new(quota: Quota) -> Self {
        Self {
            quota,
            known: 0,
            told: 0,
            new: 0,
            is_asked: true,
        }
    }

    const fn has_room(&self) -> bool {
        let called = self.known.saturating_add(self.told + self.new);
        called < self.quota.most()
    }
}

impl Counted {
    /// It was called, whether there was room or not.
    pub(super) fn claim(&self, resource: &Name) -> Claim {
        Claim::new(&self.tenant, resource, self.quota.soft())
            .period(self.period)
            .units(self.calls)
    }
}

/// Which of so many tallies counts a tenant.
pub(super) fn place_of(tenant: &TenantId, tallies: usize) -> usize {
    (tenant.hash_code() >> 32) as usize % tallies
}

#[cfg(test)]
mod tests;
