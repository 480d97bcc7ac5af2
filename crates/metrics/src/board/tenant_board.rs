use std::cmp::Reverse;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::{Metric, Stats, TenantId, Value};

use crate::board::ledger::Rest;
use crate::board::refusals::Refusals;
use crate::board::series::Series;
use crate::board::slot::{Common, Slot};
use crate::board::told::{METRICS, tell};
use crate::board::tracked::Tracked;
use crate::board::visit::Visit;
use crate::{By, Exposure, TenantReport};

const TICK: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3_600);

/// How each tenant fares: exact counts, how long its requests take, and who is worst off.
///
/// Clones share it. It is read as [`Stats`], where only the [exposed](Exposure) tenants
/// have series of their own, or by [`worst`](Self::worst), which knows all. It needs to be
/// [ticked](Self::tick); an [`Exporter`](crate::Exporter) that it is given to does that.
#[derive(Clone)]
pub struct TenantBoard {
    board: Arc<Board>,
}

pub(crate) struct Board {
    pub(crate) common: Arc<Common>,
    pub(crate) tracked: Tracked,
    /// Of those that name no tenant.
    pub(crate) nobody: Arc<Slot>,
    top: usize,
    state: Mutex<State>,
}

struct State {
    series: Series,
    ticked: Instant,
}

impl TenantBoard {
    /// A board on which nobody has asked yet.
    #[must_use]
    pub fn new(exposure: Exposure) -> Self {
        let now = Instant::now();
        let common = Arc::new(Common {
            rest: Rest::default(),
            refusals: Refusals::default(),
            made: now,
        });
        let tracked = Tracked::new(exposure.tracked, &common);
        let mut series = Series::default();
        for tenant in exposure.pinned {
            let slot = tracked.slot(&tenant);
            // Where a shard is full of pinned ones, the last have none.
            if slot.tenant.is_some() && !slot.is_shown() {
                series.pin(slot);
            }
        }
        let nobody = Arc::new(Slot::new(None, 0, &common));
        // What it counts is told apart for ever.
        nobody.ledger.show();
        let board = Arc::new(Board {
            common,
            tracked,
            nobody,
            top: exposure.top.get(),
            state: Mutex::new(State {
                series,
                ticked: now,
            }),
        });
        Self { board }
    }

    /// Lets what is old fade, and decides anew who has series; nothing if that was done less than
    /// 30 seconds ago. Call it every few seconds. It looks at every tenant, for some
    /// milliseconds where there are 10,000: call it where blocking is allowed.
    pub fn tick(&self) {
        let now = Instant::now();
        let mut state = self.board.state();
        if now.duration_since(state.ticked) >= TICK {
            state.ticked = now;
            state.series.rank(&self.board.tracked, self.board.top, now);
        }
    }

    /// The `n` tenants that did most, or fared worst, lately; those that have nothing of it are
    /// left out.
    #[must_use]
    pub fn worst(&self, by: By, n: usize) -> Vec<TenantReport> {
        let now = Instant::now();
        let scored = |slot: Arc<Slot>| (by.score(&slot), slot);
        let slots = self.board.tracked.all().into_iter().map(scored);
        let mut slots: Vec<_> = slots.filter(|(score, _)| *score > 0).collect();
        slots.sort_by_key(|(score, _)| Reverse(*score));
        let report = |(_, slot): &(u64, Arc<Slot>)| TenantReport::of(slot, slot.idle(now));
        slots.iter().take(n).filter_map(report).collect()
    }

    /// How this tenant fares, if it is known.
    #[must_use]
    pub fn report(&self, tenant: &TenantId) -> Option<TenantReport> {
        let slot = self.board.tracked.find(tenant)?;
        TenantReport::of(&slot, slot.idle(Instant::now()))
    }

    /// How many tenants had a request end within the last hour.
    #[must_use]
    pub fn active(&self) -> usize {
        let now = Instant::now();
        let slots = self.board.tracked.all();
        let recent = |slot: &&Arc<Slot>| slot.idle(now).is_some_and(|idle| idle <= HOUR);
        slots.iter().filter(recent).count()
    }

    #[inline]
    pub(crate) fn visit(&self, tenant: Option<&TenantId>) -> Visit {
        Visit::new(match tenant {
            Some(tenant) => self.board.tracked.slot(tenant),
            None => Arc::clone(&self.board.nobody),
        })
    }
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for TenantBoard {
    fn default() -> Self {
        Self::new(Exposure::default())
    }
}

impl fmt::Debug for TenantBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantBoard")
            .field("top", &self.board.top)
            .finish_non_exhaustive()
    }
}

impl Stats for TenantBoard {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let active = self.active();
        let state = self.board.state();
        tell(&self.board, &state.series, active, sink);
    }
}
