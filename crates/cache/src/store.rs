use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio::time::timeout;

use crate::clock::millis;
use crate::entry::{Absent, Birth, Entry, Failed, Meta, Slot};
use crate::flight::{Flights, Landed};
use crate::hit::{Freshness, Hit, Source};
use crate::key::{Place, PlaceRef};
use crate::leader::{Leader, Loader};
use crate::policy::Verdict;
use crate::ring::Held;
use crate::shared::Shared;
use crate::tenant::Tenant;
use crate::weight::{self, Weigh};
use crate::{Cacheable, Error, Loaded, Policy};

/// One cache: what it looks up in memory, and what it loads.
pub(crate) struct Store<V> {
    pub(crate) hub: Arc<Shared>,
    pub(crate) id: u16,
    pub(crate) policy: Policy,
    pub(crate) flights: Flights<V>,
    weigh: OnceLock<Weigh<V>>,
}

/// What is in memory under a key.
#[derive(Debug)]
pub(crate) enum Look<V> {
    Nothing,
    Absent,
    Failed(Error),
    Fresh(Arc<Entry<V>>),
    /// May be served at once.
    Stale {
        entry: Arc<Entry<V>>,
        refresh: bool,
    },
    /// May be served if nothing newer can be had.
    Late(Arc<Entry<V>>),
}

impl<V: Cacheable> Store<V> {
    pub(crate) fn new(hub: Arc<Shared>, id: u16, policy: Policy) -> Self {
        Self {
            hub,
            id,
            policy,
            flights: Flights::default(),
            weigh: OnceLock::new(),
        }
    }

    /// From now on values are weighed so, if no other way was set before.
    pub(crate) fn weigh(&self, weigh: Weigh<V>) {
        let _ = self.weigh.set(weigh);
    }

    #[inline]
    pub(crate) fn look(&self, place: PlaceRef<'_>, now: u64) -> Look<V> {
        match self.hub.memory.find(place) {
            Some(slot) => self.judge(slot, now),
            None => Look::Nothing,
        }
    }

    /// As [`look`](Self::look), for whoever has looked before.
    pub(crate) fn look_again(&self, place: PlaceRef<'_>, now: u64) -> Look<V> {
        match self.hub.memory.find_known(place) {
            Some(slot) => self.judge(slot, now),
            None => Look::Nothing,
        }
    }

    #[inline]
    fn judge(&self, slot: Arc<dyn Slot>, now: u64) -> Look<V> {
        if !slot.meta().is_valid() {
            return Look::Nothing;
        }
        match slot.into_any().downcast::<Entry<V>>() {
            Ok(entry) => {
                let (fresh_until, retry_at) = (entry.meta.fresh_until(), entry.meta.retry_at());
                match self.policy.judge(fresh_until, retry_at, now) {
                    Verdict::Fresh => Look::Fresh(entry),
                    Verdict::Stale { refresh } => Look::Stale { entry, refresh },
                    Verdict::Late => Look::Late(entry),
                    Verdict::Dead => Look::Nothing,
                }
            }
            Err(other) => match other.downcast::<Entry<Failed>>() {
                Ok(failed) if now < failed.meta.fresh_until() => {
                    Look::Failed(failed.value.0.clone())
                }
                Ok(_) => Look::Nothing,
                Err(other) => match other.downcast::<Entry<Absent>>() {
                    Ok(absent) if now < absent.meta.fresh_until() => Look::Absent,
                    _ => Look::Nothing,
                },
            },
        }
    }

    pub(crate) fn serve_stale(&self, entry: Arc<Entry<V>>) -> Hit<V> {
        self.hub.counters.stale.add();
        let now = self.hub.clock.now();
        Hit::new(entry, Source::Memory, Freshness::Stale, now)
    }

    /// Loads a value, or waits for whoever loads it. What is stale is served if that fails.
    ///
    /// Cancel safety: the load is a task of its own; whoever leaves has only listened.
    pub(crate) async fn load(
        self: Arc<Self>,
        tenant: Arc<Tenant>,
        place: Place,
        loader: Loader<V>,
        stale: Option<Arc<Entry<V>>>,
    ) -> Result<Option<Hit<V>>, Error> {
        self.hub.counters.misses.add();
        let mut seat = self.flights.board(&place, tenant.seq());
        let opened = seat.opened.is_some();
        if let Some(flight) = seat.opened.take() {
            let leader = Leader::new(Arc::clone(&self), tenant, place, flight);
            leader.depart(loader);
        }
        let timeouts = self.policy.timeouts;
        let patience = match (&stale, timeouts.with_stale) {
            (Some(_), Some(soft)) => soft,
            _ => timeouts.hard,
        };
        let landed = match timeout(patience, seat.landed.wait_for(Option::is_some)).await {
            Ok(Ok(landed)) => (*landed).clone().unwrap_or(Landed::Failed(Error::Aborted)),
            // The leader always says how it ended.
            Ok(Err(_)) => Landed::Failed(Error::Aborted),
            Err(_) => Landed::Failed(Error::Timeout),
        };
        let source = if opened {
            Source::Load
        } else {
            self.hub.counters.coalesced.add();
            Source::Coalesced
        };
        match (landed, stale) {
            (Landed::Found(entry), _) => {
                let now = self.hub.clock.now();
                Ok(Some(Hit::new(entry, source, Freshness::Fresh, now)))
            }
            (Landed::Absent, _) => Ok(None),
            (Landed::Failed(error), Some(stale)) => {
                // It may have become too old, or invalid, meanwhile.
                let now = self.hub.clock.now();
                let (fresh_until, retry_at) = (stale.meta.fresh_until(), stale.meta.retry_at());
                let verdict = self.policy.judge(fresh_until, retry_at, now);
                if verdict == Verdict::Dead || !stale.meta.is_valid() {
                    return Err(error);
                }
                Ok(Some(self.serve_stale(stale)))
            }
            (Landed::Failed(error), None) => Err(error),
        }
    }

    /// Loads what is served stale meanwhile, if there is a slot to spare.
    #[cold]
    pub(crate) fn refresh(
        self: &Arc<Self>,
        tenant: Arc<Tenant>,
        place: Place,
        loader: Loader<V>,
        stale: &Entry<V>,
    ) {
        let Ok(permit) = Arc::clone(&self.hub.refreshes).try_acquire_owned() else {
            return self.hub.counters.skipped.add();
        };
        let Ok(slot) = self.hub.loads.try_acquire(tenant.id()) else {
            return self.hub.counters.skipped.add();
        };
        let seat = self.flights.board(&place, tenant.seq());
        if let Some(flight) = seat.opened {
            // Others need not try while this is under way.
            let now = self.hub.clock.now();
            let under_way = millis(self.policy.timeouts.in_background);
            stale.meta.leave_until(now.saturating_add(under_way));
            let leader = Leader::new(Arc::clone(self), tenant, place, flight);
            leader.depart_with((slot, permit), loader);
        }
    }

    /// Stores what nobody has loaded: the caller knows it.
    pub(crate) fn put(&self, tenant: Arc<Tenant>, place: &Place, loaded: Loaded<V>) {
        let since = tenant.seq();
        let (slot, _) = self.entry(tenant, place, since, loaded);
        // What is being loaded is older. Detached before, so that it does not come on top.
        self.flights.detach(place);
        self.hub.put(place, Arc::clone(&slot));
        slot.meta().go_live();
    }

    /// An entry of what was found, and how those who wait are told.
    pub(crate) fn entry(
        &self,
        tenant: Arc<Tenant>,
        place: &Place,
        since: u64,
        loaded: Loaded<V>,
    ) -> (Arc<dyn Slot>, Landed<V>) {
        let Loaded { value, ttl, tags } = loaded;
        let tags = tags.iter().map(|tag| self.hub.tag(tag)).collect();
        match value {
            Some(value) => {
                let fresh_for = self.policy.fresh_for(ttl);
                let weight = match self.weigh.get() {
                    Some(weigh) => weigh.of(&value),
                    None => weight::of(&value),
                };
                let birth = self.birth(tenant, since, tags, fresh_for);
                let dies_after = self.policy.dies_after();
                let entry = self.born(birth, place, value, weight, dies_after);
                (Arc::clone(&entry) as Arc<dyn Slot>, Landed::Found(entry))
            }
            None => {
                let birth = self.birth(tenant, since, tags, self.policy.absent_for());
                (self.born(birth, place, Absent, 0, 0), Landed::Absent)
            }
        }
    }

    /// An entry that says for so long that the load failed.
    pub(crate) fn failure(
        &self,
        tenant: Arc<Tenant>,
        place: &Place,
        since: u64,
        error: Error,
        failures: u32,
    ) -> Arc<dyn Slot> {
        let backoff = self.policy.backoff(failures);
        let birth = self.birth(tenant, since, Box::default(), backoff);
        // Known for a while longer, so that failures in a row are counted.
        let entry = self.born(birth, place, Failed(error), 0, backoff);
        entry.meta.count_failures(failures);
        entry
    }

    fn birth(&self, tenant: Arc<Tenant>, since: u64, tags: Box<[u64]>, fresh_for: u64) -> Birth {
        Birth {
            tenant,
            ticket: None,
            bytes: 0,
            since,
            tags,
            now: self.hub.clock.now(),
            fresh_for,
        }
    }

    /// Counts an entry as held if it may be.
    fn born<T>(
        &self,
        mut birth: Birth,
        place: &Place,
        value: T,
        weight: u64,
        dies_after: u64,
    ) -> Arc<Entry<T>> {
        let weight = weight.saturating_add(weight::overhead::<T>(&birth, place));
        let fits = u32::try_from(weight).ok();
        let fits = fits.filter(|_| weight <= self.hub.settings.max_value);
        if fits.is_none() {
            self.hub.counters.too_large.add();
        }
        if let (Some(bytes), true) = (fits, birth.fresh_for > 0) {
            birth.bytes = bytes;
            let held = Held {
                cache: self.id,
                key: Arc::clone(&place.key),
                bytes,
                dies: (birth.now.saturating_add(birth.fresh_for)).saturating_add(dies_after),
            };
            birth.ticket = self.hub.admit(&birth.tenant, held);
            if birth.ticket.is_none() {
                self.hub.counters.over_share.add();
            }
        }
        let meta = Meta::new(birth);
        Arc::new(Entry { meta, value })
    }
}

impl<V> fmt::Debug for Store<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("id", &self.id)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
