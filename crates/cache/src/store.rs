use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio::time::timeout;
use towerblock_core::TenantId;

use crate::clock::millis;
use crate::entry::{Absent, Entry, Failed, Slot};
use crate::flight::{Flights, Landed};
use crate::forget::Scope;
use crate::hit::{Freshness, Hit, Source};
use crate::key::{Place, PlaceRef};
use crate::leader::{Leader, Loader};
use crate::policy::Verdict;

use crate::forgetting::Forgets;
use crate::shared::Shared;
use crate::spot::Spot;
use crate::tenant::Tenant;
use crate::weight::Weigh;
use crate::{Cacheable, Error, Policy};

/// One cache: what it looks up in memory, and what it loads.
pub(crate) struct Store<V> {
    pub(crate) hub: Arc<Shared>,
    pub(crate) id: u16,
    pub(crate) policy: Policy,
    pub(crate) flights: Flights<V>,
    pub(crate) weigh: OnceLock<Weigh<V>>,
    name: Arc<str>,
    /// What its values are, for other instances.
    field: Arc<str>,
    /// In whose name it keeps what is no tenant's.
    scope: Option<Arc<Tenant>>,
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
    pub(crate) fn new(
        hub: Arc<Shared>,
        (id, name): (u16, Arc<str>),
        policy: Policy,
        scope: Option<Arc<Tenant>>,
    ) -> Self {
        Self {
            hub,
            id,
            policy,
            flights: Flights::default(),
            weigh: OnceLock::new(),
            name,
            field: std::any::type_name::<V>().into(),
            scope,
        }
    }

    /// The entry as other instances know it.
    pub(crate) fn spot(&self, place: &Place) -> Spot {
        Spot {
            scope: self.scope_of(&place.tenant),
            cache: Arc::clone(&self.name),
            key: Arc::clone(&place.key),
            field: Arc::clone(&self.field),
        }
    }

    pub(crate) fn scope_of(&self, tenant: &TenantId) -> Scope {
        match self.scope {
            Some(_) => Scope::Shared((*self.name).to_owned()),
            None => Scope::of(tenant),
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
        let trusted = self.hub.trusts(slot.meta());
        match slot.into_any().downcast::<Entry<V>>() {
            Ok(entry) => {
                let (fresh_until, retry_at) = (entry.meta.fresh_until(), entry.meta.retry_at());
                match self.policy.judge(fresh_until, retry_at, now) {
                    Verdict::Dead => Look::Nothing,
                    // Nobody knows, unless it was looked up and could not be found a moment ago.
                    _ if !trusted && now >= retry_at => Look::Late(entry),
                    _ if !trusted => Look::Stale {
                        entry,
                        refresh: false,
                    },
                    Verdict::Fresh => Look::Fresh(entry),
                    Verdict::Stale { refresh } => Look::Stale { entry, refresh },
                    Verdict::Late => Look::Late(entry),
                }
            }
            Err(other) => match other.downcast::<Entry<Failed>>() {
                Ok(failed) if now < failed.meta.fresh_until() => {
                    Look::Failed(failed.value.0.clone())
                }
                Ok(_) => Look::Nothing,
                Err(_) if !trusted => Look::Nothing,
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
        let begun = self.hub.clock.now();
        let mut seat = self.flights.board(&place, tenant.seq(), begun);
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
            (Landed::Elsewhere(entry), _) => {
                let now = self.hub.clock.now();
                Ok(Some(Hit::new(entry, Source::Remote, Freshness::Fresh, now)))
            }
            (Landed::Absent, _) => Ok(None),
            (Landed::Late(stale, _), None) => Ok(Some(self.serve_stale(stale))),
            (Landed::Late(_, error) | Landed::Failed(error), stale) => self.fall_back(error, stale),
        }
    }

    /// What is stale, if it still may be served.
    fn fall_back(
        &self,
        error: Error,
        stale: Option<Arc<Entry<V>>>,
    ) -> Result<Option<Hit<V>>, Error> {
        let Some(stale) = stale else {
            return Err(error);
        };
        let now = self.hub.clock.now();
        let (fresh_until, retry_at) = (stale.meta.fresh_until(), stale.meta.retry_at());
        let verdict = self.policy.judge(fresh_until, retry_at, now);
        // It may have become too old, or invalid, meanwhile.
        if verdict == Verdict::Dead || !stale.meta.is_valid() {
            return Err(error);
        }
        Ok(Some(self.serve_stale(stale)))
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
        let now = self.hub.clock.now();
        let seat = self.flights.board(&place, tenant.seq(), now);
        if let Some(flight) = seat.opened {
            // Others need not try while this is under way.
            let under_way = millis(self.policy.timeouts.in_background);
            stale.meta.leave_until(now.saturating_add(under_way));
            let leader = Leader::new(Arc::clone(self), tenant, place, flight);
            leader.depart_with((slot, permit), loader);
        }
    }
}

impl<V: Cacheable> Forgets for Store<V> {
    fn detach(&self, place: &Place) {
        self.flights.detach(place);
    }

    fn scope(&self) -> Option<&Arc<Tenant>> {
        self.scope.as_ref()
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
