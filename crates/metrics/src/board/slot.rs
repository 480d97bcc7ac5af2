use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::{Reason, TenantId};

use crate::board::ledger::{ITEMS, Item, Ledger, Numbers, Rest, difference, sum};
use crate::board::refusals::Refusals;
use crate::board::sketch::Sketch;

/// All that is known of one tenant, of those that name none, or of those there is no room for.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) ledger: Ledger,
    pub(crate) sketch: Sketch,
    pub(crate) refusals: Refusals,
    /// In seconds since the board was made, and one more; 0 says never.
    last_seen: AtomicU64,
    /// Its series is told: it must not be forgotten.
    shown: AtomicBool,
    recent: Recent,
    common: Arc<Common>,
}

/// What all slots share.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) rest: Rest,
    pub(crate) refusals: Refusals,
    pub(crate) made: Instant,
}

/// What was counted lately; it halves with each tick. Only the one that ticks writes to it.
#[derive(Debug, Default)]
struct Recent {
    faded: [AtomicU64; ITEMS],
    seen: [AtomicU64; ITEMS],
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Served,
    Failed,
    Refused(Option<Reason>),
    Dropped,
}

impl Slot {
    /// `weight` is what it is taken to have asked for before it was known.
    pub(crate) fn new(tenant: Option<TenantId>, weight: u64, common: &Arc<Common>) -> Self {
        let mut recent = Recent::default();
        if let Some(requests) = recent.faded.first_mut() {
            *requests = AtomicU64::new(weight);
        }
        Self {
            tenant,
            ledger: Ledger::default(),
            sketch: Sketch::default(),
            refusals: Refusals::default(),
            last_seen: AtomicU64::new(0),
            shown: AtomicBool::new(false),
            recent,
            common: Arc::clone(common),
        }
    }

    #[inline]
    pub(crate) fn record(&self, outcome: Outcome, since: Instant, now: Instant) {
        let took = now.duration_since(since);
        let rest = &self.common.rest;
        self.ledger.add(Item::Requests, 1, rest);
        match outcome {
            Outcome::Served => {}
            Outcome::Failed => self.ledger.add(Item::Errors, 1, rest),
            Outcome::Dropped => self.ledger.add(Item::Dropped, 1, rest),
            Outcome::Refused(reason) => self.refuse(reason),
        }
        // A refusal takes no time, and would hide how long the others wait.
        if !matches!(outcome, Outcome::Refused(_)) {
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            // A request that took 292 years is not worth a mark of its own.
            self.ledger.add(Item::Busy, nanos.min(u64::MAX >> 1), rest);
            self.sketch.record(took);
        }
        let seen = now.duration_since(self.common.made).as_secs() + 1;
        self.last_seen.store(seen, Ordering::Relaxed);
    }

    #[cold]
    fn refuse(&self, reason: Option<Reason>) {
        self.ledger.add(Item::Refused, 1, &self.common.rest);
        if let Some(reason) = reason {
            self.refusals.add(reason);
            self.common.refusals.add(reason);
        }
    }

    /// Lets what is old fade.
    pub(crate) fn fade(&self) {
        let counts = self.ledger.counts();
        let recent = self.recent.faded.iter().zip(&self.recent.seen).zip(counts);
        for ((faded, seen), count) in recent {
            let more = count.saturating_sub(seen.swap(count, Ordering::Relaxed));
            let before = faded.load(Ordering::Relaxed);
            faded.store((before / 2).saturating_add(more), Ordering::Relaxed);
        }
        self.sketch.halve();
    }

    /// What was counted lately: all since the last tick, half of what was before it, and so on.
    pub(crate) fn recent(&self) -> Numbers {
        let load = |of: &[AtomicU64; ITEMS]| of.each_ref().map(|of| of.load(Ordering::Relaxed));
        let fresh = difference(self.ledger.counts(), load(&self.recent.seen));
        sum(fresh, load(&self.recent.faded))
    }

    /// How much it asked for lately: many are compared while a shard is locked.
    pub(crate) fn weight(&self) -> u64 {
        let Recent { faded, seen } = &self.recent;
        let [faded, seen] = [faded, seen].map(|[of, ..]| of.load(Ordering::Relaxed));
        faded + self.ledger.count(Item::Requests).saturating_sub(seen)
    }

    /// How long ago its last request ended.
    pub(crate) fn idle(&self, now: Instant) -> Option<Duration> {
        let seen = self.last_seen.load(Ordering::Relaxed).checked_sub(1)?;
        let age = now.duration_since(self.common.made);
        Some(age.saturating_sub(Duration::from_secs(seen)))
    }

    pub(crate) fn is(&self, tenant: &TenantId) -> bool {
        self.tenant.as_ref() == Some(tenant)
    }

    pub(crate) fn is_shown(&self) -> bool {
        self.shown.load(Ordering::Relaxed)
    }

    pub(crate) fn set_shown(&self, shown: bool) {
        self.shown.store(shown, Ordering::Relaxed);
    }
}
