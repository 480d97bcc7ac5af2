use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::script::Want;
use crate::Rate;

/// What was admitted here and is not charged in Redis. While there is any, Redis is not asked.
#[derive(Debug, Default)]
pub(crate) struct Debts {
    owed: Mutex<HashMap<u64, Debt>>,
    /// At most so many keys; what more of them used is forgotten.
    most: usize,
    open: AtomicBool,
    pub(crate) news: Notify,
}

/// What was admitted, and when.
#[derive(Debug)]
pub(crate) struct Debt {
    pub(crate) want: Want,
    owed: Owed,
}

/// Units of a rate of which this instance has one of so many parts, and at most `most`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owed {
    pub(crate) units: u64,
    pub(crate) most: u64,
    pub(crate) rate: Rate,
    pub(crate) parts: u64,
    /// In nanoseconds.
    pub(crate) now: u64,
}

impl Debt {
    fn add(&mut self, more: Owed) {
        // What came back meanwhile is owed no more.
        let passed = Duration::from_nanos(more.now.saturating_sub(self.owed.now));
        let back = more.rate.brings(passed) / more.parts.max(1);
        if back > 0 {
            self.owed.now = more.now;
        }
        let left = self.want.least.saturating_sub(back);
        self.want.least = left.saturating_add(more.units).min(more.most);
    }
}

impl Debts {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// Whether Redis may be asked.
    pub(crate) fn are_settled(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Whether it is remembered.
    pub(crate) fn add(&self, key: u64, more: Owed, want: impl FnOnce() -> Option<Want>) -> bool {
        let mut owed = self.owed();
        if let Some(debt) = owed.get_mut(&key) {
            debt.add(more);
        } else if owed.len() >= self.most {
            return false;
        } else if let Some(want) = want() {
            owed.insert(key, Debt { want, owed: more });
        }
        self.close();
        true
    }

    /// Some of them, which are owed no more.
    pub(crate) fn take(&self, most: usize) -> Vec<(u64, Debt)> {
        let mut owed = self.owed();
        let keys: Vec<_> = owed.keys().take(most).copied().collect();
        let taken = keys.into_iter().filter_map(|key| owed.remove_entry(&key));
        taken.collect()
    }

    pub(crate) fn put_back(&self, debts: Vec<(u64, Debt)>) {
        let mut owed = self.owed();
        for (key, debt) in debts {
            let more = owed.remove(&key);
            let kept = owed.entry(key).or_insert(debt);
            if let Some(more) = more {
                kept.add(Owed {
                    units: more.want.least,
                    ..more.owed
                });
            }
        }
    }

    pub(crate) fn close(&self) {
        if self.open.swap(false, Ordering::AcqRel) {
            self.news.notify_one();
        }
    }

    /// Asks Redis from now on, unless something is owed.
    pub(crate) fn open(&self) -> bool {
        // Under the lock: whoever owes something closes under it.
        let owed = self.owed();
        let settled = owed.is_empty();
        if settled {
            self.open.store(true, Ordering::Release);
        }
        settled
    }

    pub(crate) fn len(&self) -> usize {
        self.owed().len()
    }

    fn owed(&self) -> MutexGuard<'_, HashMap<u64, Debt>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
