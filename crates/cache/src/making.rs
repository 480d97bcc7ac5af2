//! How an entry is made: of what was loaded, found elsewhere, known, or of a failure.

use std::sync::Arc;

use crate::entry::{Absent, Birth, Entry, Failed, Meta, Slot};
use crate::flight::{Flight, Landed};
use crate::key::Place;
use crate::remote::Parcel;
use crate::ring::Held;
use crate::spot::Lasts;
use crate::store::Store;
use crate::tenant::Tenant;
use crate::weight;
use crate::{Cacheable, Error, Loaded};

/// Where an entry comes from; times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Invalidations that it knows of.
    pub(crate) since: u64,
    /// By the hub's clock.
    pub(crate) begun: u64,
    /// What it is old already.
    pub(crate) age: u64,
    pub(crate) fresh_for: u64,
}

impl<V: Cacheable> Store<V> {
    /// Stores what nobody has loaded: the caller knows it.
    pub(crate) async fn put(&self, tenant: Arc<Tenant>, place: &Place, loaded: Loaded<V>) {
        let spot = self.spot(place);
        let parcel = self.parcel(&loaded);
        let load = Load {
            since: tenant.seq(),
            begun: self.hub.clock.now(),
            age: 0,
            fresh_for: self.fresh_for(&loaded),
        };
        let (slot, _) = self.entry(tenant, place, load, loaded);
        // What is being loaded is older. Detached before, so that it does not come on top.
        self.flights.detach(place);
        self.hub.put(place, Arc::clone(&slot));
        slot.meta().go_live();
        if let Some(link) = self.hub.remote.clone() {
            let telling = async move { link.replace(&spot, parcel).await };
            let _reached = self.hub.tell(telling).reached().await;
        }
    }

    /// For how many milliseconds a value is fresh.
    pub(crate) fn fresh_for(&self, loaded: &Loaded<V>) -> u64 {
        match loaded.value {
            Some(_) => self.policy.fresh_for(loaded.ttl),
            None => self.policy.absent_for(),
        }
    }

    /// What is stored of it beyond memory.
    pub(crate) fn parcel(&self, loaded: &Loaded<V>) -> Option<Parcel> {
        let dies_after = match loaded.value {
            Some(_) => self.policy.dies_after(),
            None => 0,
        };
        let lasts = Lasts {
            fresh_for: self.fresh_for(loaded),
            dies_after,
        };
        self.hub.remote.as_ref()?.payload(loaded, lasts)
    }

    /// An entry of what was found, and how those who wait are told.
    pub(crate) fn entry(
        &self,
        tenant: Arc<Tenant>,
        place: &Place,
        load: Load,
        loaded: Loaded<V>,
    ) -> (Arc<dyn Slot>, Landed<V>) {
        let Loaded { value, tags, .. } = loaded;
        let tags = tags.iter().map(|tag| self.hub.tag(tag)).collect();
        let birth = self.birth(tenant, load, tags);
        match value {
            Some(value) => {
                let weight = match self.weigh.get() {
                    Some(weigh) => weigh.of(&value),
                    None => weight::of(&value),
                };
                let dies_after = self.policy.dies_after();
                let entry = self.born(birth, place, value, weight, dies_after);
                (Arc::clone(&entry) as Arc<dyn Slot>, Landed::Found(entry))
            }
            None => (self.born(birth, place, Absent, 0, 0), Landed::Absent),
        }
    }

    /// An entry that says for so long that the load failed.
    pub(crate) fn failure(
        &self,
        tenant: Arc<Tenant>,
        place: &Place,
        flight: &Flight<V>,
        error: Error,
        failures: u32,
    ) -> Arc<dyn Slot> {
        let backoff = self.policy.backoff(failures);
        let load = Load {
            since: flight.since(),
            begun: flight.begun(),
            age: 0,
            fresh_for: backoff,
        };
        let birth = self.birth(tenant, load, Box::default());
        // Known for a while longer, so that failures in a row are counted.
        let entry = self.born(birth, place, Failed(error), 0, backoff);
        entry.meta.count_failures(failures);
        entry
    }

    fn birth(&self, tenant: Arc<Tenant>, load: Load, tags: Box<[u64]>) -> Birth {
        // Longer it is not believed without a look at what others have.
        let most = self.hub.remote.as_ref().map(|link| link.memory_ttl());
        Birth {
            tenant,
            ticket: None,
            bytes: 0,
            since: load.since,
            tags,
            begun: load.begun,
            now: self.hub.clock.now(),
            age: load.age,
            fresh_for: load.fresh_for.min(most.unwrap_or(u64::MAX)),
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
