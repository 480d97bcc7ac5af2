use std::fmt;
use std::num::NonZeroUsize;

use towerblock_core::{Metric, Reason, Rejected, Stats, TenantId, Value};

use crate::holders::{Holders, Part};
use crate::share::ShareOf;
use crate::sync::{Arc, Ordering};
use crate::{Admission, Share};

/// Admits work up to a limit, without waiting, and shares what is scarce.
///
/// Below the soft limit everyone is admitted. Above it a tenant is admitted while it holds less
/// than its part of the limit: its weight, of the weights of all that hold something and of one
/// more, which may come. A tenant that holds nothing is refused only when the limit is reached.
///
/// Clones share the slots and the settings.
#[derive(Clone)]
pub struct FairLimit {
    shared: Arc<Holders>,
}

impl FairLimit {
    /// At most `limit` at once.
    #[must_use]
    pub fn new(limit: NonZeroUsize) -> Self {
        Self {
            shared: Arc::new(Holders::new(limit.get())),
        }
    }

    /// Admits everyone below so many percent of the limit; with 100, or more, up to the limit.
    /// Default: 80.
    #[must_use]
    pub fn soft_percent(self, percent: u8) -> Self {
        let percent = usize::from(percent.min(100));
        self.shared.set_percent(percent);
        self
    }

    /// Asks for the share of each tenant, at each call and outside any lock: keep it cheap. A
    /// changed weight counts once the tenant holds nothing. It can be set once; what a later
    /// call sets is ignored. Default: a weight of 1 for everyone, and no cap.
    #[must_use]
    pub fn share_of(self, share_of: impl Fn(&TenantId) -> Share + Send + Sync + 'static) -> Self {
        let _ = self.shared.share_of.set(ShareOf::new(share_of));
        self
    }

    /// Names what is shared, for [`Rejected::by`]. Default: `"fair"`.
    #[must_use]
    pub fn named(self, by: &'static str) -> Self {
        let _ = self.shared.by.set(by);
        self
    }

    /// A slot now, or a refusal.
    ///
    /// # Errors
    ///
    /// `Rejected` by [`Reason`]: `Overloaded` when the limit is reached, `OverShare` when the
    /// tenant has its part.
    pub fn admit(&self, tenant: &TenantId) -> Result<Admission, Rejected> {
        self.decided(self.shared.admit(tenant, self.shared.portions()))
    }

    /// A slot now, if it is below the soft limit: for work that may as well be done later.
    ///
    /// # Errors
    ///
    /// `Rejected` by [`Reason`]: `Overloaded` from the soft limit on, `OverShare` when the
    /// tenant has all that its share allows.
    pub fn admit_below_soft(&self, tenant: &TenantId) -> Result<Admission, Rejected> {
        self.decided(self.shared.admit(tenant, self.shared.below_soft()))
    }

    /// A slot now, in no tenant's part: for work that must go through. It counts towards the
    /// limit, and may be up to so many slots `beyond` it.
    ///
    /// # Errors
    ///
    /// `Rejected` as `Overloaded` when these are taken too.
    pub fn admit_unshared(&self, beyond: usize) -> Result<Admission, Rejected> {
        self.decided(self.shared.admit_unshared(beyond))
    }

    /// How many slots there are.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.shared.limit.load(Ordering::Relaxed)
    }

    /// How many slots are taken now.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.shared.total.load(Ordering::Relaxed)
    }

    /// From now on so many at once; nothing is taken away from anybody.
    pub fn resize(&self, limit: NonZeroUsize) {
        self.shared.set_limit(limit.get());
    }

    fn decided(&self, part: Result<Part, Reason>) -> Result<Admission, Rejected> {
        match part {
            Ok(part) => Ok(Admission::new(Arc::clone(&self.shared), part)),
            Err(reason) => Err(self.shared.refuse(reason)),
        }
    }
}

impl fmt::Debug for FairLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FairLimit")
            .field("limit", &self.limit())
            .field("in_use", &self.in_use())
            .finish_non_exhaustive()
    }
}

static LIMIT: Metric = Metric::gauge("fair_limit", "slots", "Slots there are");
static ADMITTED: Metric = Metric::gauge("fair_limit_in_use", "slots", "Slots that are taken");
static TENANTS: Metric = Metric::gauge("fair_limit_tenants", "tenants", "Tenants that hold a slot");
static REFUSED: Metric =
    Metric::counter("fair_limit_refused", "", "Refusals, by reason").labelled("reason");
pub(crate) static METRICS: &[Metric] = &[LIMIT, ADMITTED, TENANTS, REFUSED];

impl Stats for FairLimit {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let shared = &self.shared;
        for (metric, level) in [
            (&LIMIT, self.limit()),
            (&ADMITTED, self.in_use()),
            (&TENANTS, shared.tenants()),
        ] {
            sink(metric, "", Value::Level(level as f64));
        }
        for (reason, times) in [
            ("over_share", &shared.over_share),
            ("overloaded", &shared.overloaded),
        ] {
            sink(
                &REFUSED,
                reason,
                Value::Count(times.load(Ordering::Relaxed)),
            );
        }
    }
}

#[cfg(test)]
impl FairLimit {
    pub(crate) fn memory(&self) -> (usize, usize) {
        self.shared.memory()
    }
}
