use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

use crate::claim::{Claim, Usage};
use crate::error::{Cause, QuotaError};

pub(super) type Value<'v> = (&'v (dyn ToSql + Sync), Type);

/// A claim, in the types of the database.
pub(super) struct Counted<'c> {
    pub(super) tenant: &'c str,
    pub(super) resource: &'c str,
    pub(super) seconds: i64,
    pub(super) start: f64,
    pub(super) units: i64,
    most: i64,
    pub(super) thresholds: Vec<i64>,
}

impl<'c> Counted<'c> {
    pub(super) fn of(claim: &'c Claim) -> Self {
        let seconds = claim.period.start();
        #[expect(clippy::cast_precision_loss, reason = "seconds of the calendar fit")]
        let start = seconds as f64;
        Self {
            tenant: claim.tenant.as_str(),
            resource: claim.resource.as_str(),
            seconds,
            start,
            units: bigint(claim.units),
            most: bigint(claim.quota.most()),
            thresholds: claim.quota.thresholds().map(bigint).to_vec(),
        }
    }

    pub(super) fn row(&self) -> [Value<'_>; 3] {
        [
            (&self.tenant, Type::TEXT),
            (&self.resource, Type::TEXT),
            (&self.start, Type::FLOAT8),
        ]
    }

    /// How many thresholds so many units reach.
    pub(super) fn reached(&self, used: u64) -> usize {
        let used = bigint(used);
        let reached = self.thresholds.iter().filter(|units| **units <= used);
        reached.count()
    }

    pub(super) fn asked(&self) -> Vec<Value<'_>> {
        let mut values = self.row().to_vec();
        values.extend([
            (&self.units as _, Type::INT8),
            (&self.most as _, Type::INT8),
        ]);
        values
    }
}

/// What a key stands for.
pub(super) struct Found {
    pub(super) resource: String,
    pub(super) start: i64,
    pub(super) units: i64,
    pub(super) state: String,
}

impl Found {
    pub(super) fn is_for(&self, counted: &Counted<'_>) -> bool {
        let same = self.resource == counted.resource && self.units == counted.units;
        same && self.start == counted.seconds
    }
}

pub(super) fn told(claim: &Claim, row: &Row) -> Result<Usage, QuotaError> {
    let news: bool = row.try_get(3).map_err(failed)?;
    let told: i32 = row.try_get(2).map_err(failed)?;
    let told = usize::try_from(told).ok().filter(|_| news);
    Ok(claim.usage(units(row, 0)?, units(row, 1)?, told))
}

pub(super) fn units(row: &Row, column: usize) -> Result<u64, QuotaError> {
    let units: i64 = row.try_get(column).map_err(failed)?;
    // The tables allow none below zero.
    Ok(u64::try_from(units).unwrap_or_default())
}

pub(super) fn bigint(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

pub(super) fn failed(error: Error) -> QuotaError {
    Cause::Store(error.into()).into()
}
