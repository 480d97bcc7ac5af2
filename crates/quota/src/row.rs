use crate::Quota;
use crate::quota::LARGEST;

/// What one tenant has used of one resource in one period.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Row {
    pub(crate) used: u64,
    pub(crate) reserved: u64,
    /// How many of the thresholds have been told.
    told: usize,
}

impl Row {
    pub(crate) const fn has_room(&self, units: u64, quota: Quota) -> bool {
        let taken = self.used.saturating_add(self.reserved);
        units <= quota.most().saturating_sub(taken)
    }

    /// Counts whether there is room or not, and says how many thresholds are to be told, if there are
    /// more than before.
    pub(crate) fn add(&mut self, units: u64, quota: Quota) -> Option<usize> {
        self.used = self.used.saturating_add(units).min(LARGEST);
        let thresholds = quota.thresholds();
        let reached = thresholds
            .iter()
            .filter(|units| **units <= self.used)
            .count();
        let news = reached > self.told;
        self.told = self.told.max(reached);
        news.then_some(reached)
    }

    pub(crate) fn set(&mut self, used: u64, quota: Quota) {
        self.used = used.min(LARGEST);
        let [half, ..] = quota.thresholds();
        if self.used < half && !quota.is_monthly() {
            self.told = 0;
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.used == 0 && self.reserved == 0
    }
}
