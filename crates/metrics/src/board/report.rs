use std::time::Duration;

use towerblock_core::{Reason, TenantId};

use crate::board::ledger::Numbers;
use crate::board::slot::Slot;

/// What tenants are ranked by. All of it is what they did lately: in full since the last tick of
/// the board, 30 seconds at most, and half as much for each tick before.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum By {
    /// The number of requests.
    Requests,
    /// The number of errors: 500 and above, errors of the service, panics; no refusals.
    Errors,
    /// The time in which their requests were worked on, all added up.
    BusyTime,
    /// The time that 95 of 100 of their requests took at most.
    Slowness,
    /// The number of refusals.
    Refusals,
}

/// How one tenant fares.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TenantReport {
    /// Who.
    pub tenant: TenantId,
    /// Requests since it is known, until the head of the response.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Those of them that were refused.
    pub refused: u64,
    /// Those of them whose client went away.
    pub dropped: u64,
    /// The time they took, all added up.
    pub busy: Duration,
    /// What it was refused for, the most frequent first.
    pub refusals: Vec<(Reason, u64)>,
    /// The time that 50, 95 and 99 of 100 took at most of late, within 1/16; refusals apart.
    pub percentiles: Option<[Duration; 3]>,
    /// Since its last request has ended, in whole seconds.
    pub idle: Option<Duration>,
}

pub(crate) const PERCENTS: [u64; 3] = [50, 95, 99];

impl By {
    pub(crate) fn score(self, slot: &Slot) -> u64 {
        let [requests, errors, refused, _, busy] = slot.recent();
        match self {
            Self::Requests => requests,
            Self::Errors => errors,
            Self::BusyTime => busy,
            Self::Refusals => refused,
            Self::Slowness => slot
                .sketch
                .percentiles([95])
                .map_or(0, |[p95]| u64::try_from(p95.as_nanos()).unwrap_or(u64::MAX)),
        }
    }
}

impl TenantReport {
    pub(crate) fn of(slot: &Slot, idle: Option<Duration>) -> Option<Self> {
        let [requests, errors, refused, dropped, busy]: Numbers = slot.ledger.counts();
        Some(Self {
            tenant: slot.tenant.clone()?,
            requests,
            errors,
            refused,
            dropped,
            busy: Duration::from_nanos(busy),
            refusals: slot.refusals.counts(),
            percentiles: slot.sketch.percentiles(PERCENTS),
            idle,
        })
    }
}
