use std::sync::atomic::{AtomicU64, Ordering};

use towerblock_core::Reason;

const REASONS: [Reason; 16] = [
    Reason::CircuitOpen,
    Reason::CostAboveBurst,
    Reason::Draining,
    Reason::InvalidCursor,
    Reason::InvalidParameter,
    Reason::InvalidTenant,
    Reason::OverShare,
    Reason::Overloaded,
    Reason::PeriodQuota,
    Reason::RateLimited,
    Reason::StockQuota,
    Reason::TenantMoving,
    Reason::TenantReadOnly,
    Reason::TenantSuspended,
    Reason::Unavailable,
    Reason::UnknownTenant,
];

/// How often it was refused for each reason.
#[derive(Debug, Default)]
pub(crate) struct Refusals([AtomicU64; REASONS.len()]);

impl Refusals {
    pub(crate) fn add(&self, reason: Reason) {
        let place = REASONS.iter().position(|known| *known == reason);
        if let Some(count) = place.and_then(|place| self.0.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those that there were, the most frequent first.
    pub(crate) fn counts(&self) -> Vec<(Reason, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        let counts = REASONS.into_iter().zip(counts);
        let mut counts: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }
}
