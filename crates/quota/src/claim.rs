use std::time::Duration;

use jiff::Timestamp;
use towerblock_core::{Reason, Rejected, TenantId};

use crate::crossing::Crossed;
use crate::period::Period;
use crate::quota::PERCENT;
use crate::{Anchor, Name, Quota};

/// What a tenant wants to count against a quota of its plan.
///
/// ```
/// use towerblock_core::TenantId;
/// use towerblock_quota::{Anchor, Claim, Name, Quota};
///
/// let (acme, calls) = (TenantId::new("acme")?, Name::new("api_calls")?);
/// let since = Anchor::new(2024, 1, 31).unwrap();
/// let claim = Claim::new(&acme, &calls, Quota::monthly(10_000)).units(3).period(since.now());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it counts nothing until a store is asked"]
pub struct Claim {
    pub(crate) tenant: TenantId,
    pub(crate) resource: Name,
    pub(crate) quota: Quota,
    pub(crate) units: u64,
    pub(crate) period: Period,
}

impl Claim {
    /// One unit, by the tenant's quota as it is now.
    pub fn new(tenant: &TenantId, resource: &Name, quota: Quota) -> Self {
        let period = match quota.is_monthly() {
            true => Anchor::default().now(),
            false => Period::ALWAYS,
        };
        Self {
            tenant: tenant.clone(),
            resource: resource.clone(),
            quota,
            units: 1,
            period,
        }
    }

    /// So many units. Default: 1.
    pub const fn units(mut self, units: u64) -> Self {
        self.units = units;
        self
    }

    /// In which month it counts, if it is counted by months. Default: that of the calendar, UTC.
    pub const fn period(mut self, period: Period) -> Self {
        if self.quota.is_monthly() {
            self.period = period;
        }
        self
    }

    /// What was counted, with whatever was crossed by it: `told` of the thresholds.
    pub(crate) fn usage(&self, used: u64, reserved: u64, told: Option<usize>) -> Usage {
        let limit = self.quota.limit();
        let percent = told.and_then(|told| PERCENT.get(told.checked_sub(1)?));
        Usage {
            used,
            reserved,
            limit,
            crossed: percent.map(|percent| Crossed {
                tenant: self.tenant.clone(),
                resource: self.resource.clone(),
                period: self.period,
                percent: *percent,
                used,
                limit,
            }),
            repeated: false,
            late: false,
        }
    }

    pub(crate) fn rejected(&self) -> Rejected {
        if !self.quota.is_monthly() {
            return Rejected::new("quota", Reason::StockQuota);
        }
        let left = self
            .period
            .end()
            .saturating_sub(Timestamp::now().as_second());
        // A day is long enough for whoever obeys it, and plans change.
        let wait = Duration::from_secs(u64::try_from(left).map_or(1, |left| left.clamp(1, 86_400)));
        Rejected::new("quota", Reason::PeriodQuota).with_retry_after(wait)
    }
}

/// How much a tenant has used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Usage {
    /// Units counted.
    pub used: u64,
    /// Units held by reservations that are open.
    pub reserved: u64,
    /// Units included; a tenant that changed to a smaller plan may have used more.
    pub limit: u64,
    /// The part of the limit that this very call was the first to reach.
    pub crossed: Option<Crossed>,
    /// Nothing was counted, for the key had been used for the same before.
    pub repeated: bool,
    /// What was committed had expired, and was counted whether there was room or not.
    pub late: bool,
}

impl Usage {
    /// What is used by now, to whom asks once more for what was counted before.
    pub(crate) fn again(self) -> Self {
        Self {
            repeated: true,
            ..self
        }
    }

    /// How much of the limit is left.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.limit
            .saturating_sub(self.used.saturating_add(self.reserved))
    }

    /// By how much the limit is exceeded.
    #[must_use]
    pub const fn over(&self) -> u64 {
        self.used.saturating_sub(self.limit)
    }
}
