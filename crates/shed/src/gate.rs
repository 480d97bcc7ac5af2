use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::{Reason, Rejected, TenantId};
use towerblock_fair::{FairLimit, Share};

use crate::alarm::Alarm;
use crate::counters::Counters;
use crate::meter::{Meter, Ticket};
use crate::permit::Permit;
use crate::{Class, Limit};

/// Whether there is room for a request, and for whom.
///
/// What all services of a layer and its clones share.
#[derive(Debug)]
pub(crate) struct Gate {
    room: FairLimit,
    /// Where the limit adapts.
    meter: Option<Meter>,
    pub(crate) counters: Counters,
    alarm: Alarm,
    by: OnceLock<&'static str>,
    by_default: &'static str,
}

impl Gate {
    pub(crate) fn new(limit: Limit, by_default: &'static str) -> Self {
        let (limit, adaptive) = limit.start();
        let (now, limit) = (Instant::now(), at_least_one(limit));
        Self {
            room: FairLimit::new(limit),
            meter: adaptive.map(|adaptive| Meter::new(adaptive, now)),
            counters: Counters::default(),
            alarm: Alarm::new(now),
            by: OnceLock::new(),
            by_default,
        }
    }

    pub(crate) fn soft_percent(&self, percent: u8) {
        let _ = self.room.clone().soft_percent(percent);
    }

    pub(crate) fn share_of(&self, share_of: impl Fn(&TenantId) -> Share + Send + Sync + 'static) {
        let _ = self.room.clone().share_of(share_of);
    }

    pub(crate) fn named(&self, by: &'static str) {
        let _ = self.by.set(by);
    }

    pub(crate) fn limit(&self) -> usize {
        self.room.limit()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.room.in_use()
    }

    pub(crate) fn admit(
        self: &Arc<Self>,
        tenant: Option<&TenantId>,
        class: Class,
    ) -> Result<Permit, Rejected> {
        let admission = match (class, tenant) {
            (Class::Critical, _) => self.room.admit_unshared(self.reserve()),
            (_, None) => Err(Rejected::new(self.by_default, Reason::UnknownTenant)),
            (Class::Normal, Some(tenant)) => self.room.admit(tenant),
            (Class::Sheddable, Some(tenant)) => self.room.admit_below_soft(tenant),
        };
        let admission = admission.map_err(|rejected| self.refuse(class, rejected.reason()))?;
        let n = self.counters.admitted(class);
        if self.alarm.admitted(Instant::now) {
            tracing::info!(by = self.by(), limit = self.limit(), "stopped to shed");
        }
        let meter = self.meter.as_ref();
        let ticket = meter.and_then(|meter| meter.begin(n, || self.in_flight()));
        Ok(Permit::new(Arc::clone(self), admission, ticket))
    }

    /// What became of a request that was timed.
    pub(crate) fn end(&self, ticket: &Ticket, answered: bool) {
        let Some(meter) = &self.meter else {
            return;
        };
        let totals = self.counters.totals();
        if let Some(limit) = meter.end(ticket, answered, Instant::now(), totals) {
            self.room.resize(limit);
        }
    }

    #[cold]
    fn refuse(&self, class: Class, reason: Reason) -> Rejected {
        self.counters.refused(class, reason);
        let rejected = Rejected::new(self.by(), reason);
        if reason == Reason::UnknownTenant {
            return rejected;
        }
        let now = Instant::now();
        if self.alarm.refused(now) {
            let (by, limit) = (self.by(), self.limit());
            tracing::warn!(by, limit, %reason, "started to shed");
        }
        match self.meter.as_ref().and_then(Meter::mean) {
            Some(mean) => {
                let nth = self.counters.totals().refused;
                rejected.with_retry_after(jittered(mean, nth))
            }
            None => rejected,
        }
    }

    /// What is there for critical requests beyond the limit.
    fn reserve(&self) -> usize {
        (self.limit() / 10).max(1)
    }

    fn by(&self) -> &'static str {
        self.by.get().copied().unwrap_or(self.by_default)
    }
}

/// Up to half as long again, so that those refused together do not come back together.
fn jittered(wait: Duration, nth: u64) -> Duration {
    let [spread, ..] = nth.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    wait.saturating_add(wait / 512 * u32::from(spread))
}

fn at_least_one(limit: usize) -> NonZeroUsize {
    NonZeroUsize::new(limit).unwrap_or(NonZeroUsize::MIN)
}
