use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::TenantId;

use crate::board::ledger::{Numbers, difference, sum};
use crate::board::ranking::{Candidate, choose};
use crate::board::slot::Slot;
use crate::board::tracked::Tracked;

/// As long as Prometheus takes a series to go on that it does not see; two scrapes at least.
const FROZEN: Duration = Duration::from_secs(300);

/// Who has a series, and from where on it counts.
///
/// A series that ends is told for a while as it was, so that its last numbers are
/// scraped; then it is no more. It never becomes part of the others: their
/// counter would jump.
#[derive(Debug, Default)]
pub(crate) struct Series {
    pub(crate) live: Vec<Live>,
    pub(crate) frozen: Vec<Frozen>,
    /// What those had counted that are no more.
    pub(crate) retired: Numbers,
}

#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) slot: Arc<Slot>,
    pinned: bool,
    /// What the slot had counted when the series began.
    before: Numbers,
    /// What the series had told when it was taken up again.
    carried: Numbers,
}

#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) tenant: TenantId,
    pub(crate) numbers: Numbers,
    since: Instant,
}

impl Live {
    pub(crate) fn numbers(&self) -> Numbers {
        self.until(self.slot.ledger.counts())
    }

    fn until(&self, counts: Numbers) -> Numbers {
        sum(self.carried, difference(counts, self.before))
    }
}

impl Series {
    pub(crate) fn pin(&mut self, slot: Arc<Slot>) {
        self.begin(slot, true);
    }

    /// Gives series to those of `slots` who do most, and ends those of others.
    pub(crate) fn rank(&mut self, tracked: &Tracked, top: usize, now: Instant) {
        let slots = tracked.all();
        for slot in &slots {
            slot.fade();
        }
        let pinned: HashSet<_> = self
            .live
            .iter()
            .filter(|live| live.pinned)
            .map(|live| Arc::as_ptr(&live.slot))
            .collect();
        let slots: Vec<_> = slots
            .into_iter()
            .filter(|slot| !pinned.contains(&Arc::as_ptr(slot)))
            .collect();
        let candidates: Vec<_> = slots.iter().map(|slot| candidate(slot)).collect();
        // In a quarter of an hour, at this pace, all of them may be others.
        let chosen = choose(&candidates, top, top.div_ceil(30));
        let chosen: Vec<_> = chosen
            .into_iter()
            .filter_map(|place| slots.get(place))
            .collect();
        self.thaw(now);
        let stays: HashSet<_> = chosen.iter().map(|slot| Arc::as_ptr(slot)).collect();
        self.end(now, |live| {
            !live.pinned && !stays.contains(&Arc::as_ptr(&live.slot))
        });
        for slot in chosen.into_iter().filter(|slot| !slot.is_shown()) {
            // Meanwhile it may have been forgotten: then it is another slot that counts.
            if tracked.keep(slot) {
                self.begin(Arc::clone(slot), false);
            }
        }
    }

    fn begin(&mut self, slot: Arc<Slot>, pinned: bool) {
        slot.set_shown(true);
        let same = |frozen: &Frozen| slot.is(&frozen.tenant);
        // Its series is still told: it goes on from there.
        let frozen = self.frozen.iter().position(same);
        let carried = frozen.map(|place| self.frozen.swap_remove(place).numbers);
        let before = slot.ledger.show();
        self.live.push(Live {
            slot,
            pinned,
            before,
            carried: carried.unwrap_or_default(),
        });
    }

    fn end(&mut self, now: Instant, which: impl Fn(&Live) -> bool) {
        let (ended, live) = self.live.drain(..).partition(|live| which(live));
        self.live = live;
        let ended: Vec<_> = ended;
        for live in ended {
            let numbers = live.until(live.slot.ledger.hide());
            live.slot.set_shown(false);
            if let Some(tenant) = live.slot.tenant.clone() {
                self.frozen.push(Frozen {
                    tenant,
                    numbers,
                    since: now,
                });
            }
        }
    }

    fn thaw(&mut self, now: Instant) {
        let retired = &mut self.retired;
        self.frozen.retain(|frozen| {
            let kept = now.duration_since(frozen.since) < FROZEN;
            if !kept {
                *retired = sum(*retired, frozen.numbers);
            }
            kept
        });
    }
}

fn candidate(slot: &Slot) -> Candidate {
    let [requests, errors, _, _, busy] = slot.recent();
    Candidate {
        scores: [requests, errors, busy],
        shown: slot.is_shown(),
    }
}
