use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};
use towerblock_core::BoxError;
use towerblock_fair::Slot as LoadSlot;

use crate::entry::{Entry, Slot};
use crate::flight::{Flight, Landed};
use crate::key::Place;
use crate::making::Load;
use crate::remote::Leave;
use crate::spot::Sought;
use crate::store::{Look, Store};
use crate::tenant::Tenant;
use crate::{Cacheable, Error, Loaded};

/// A load that has not begun: its first poll calls the user's function.
pub(crate) type Loader<V> = Pin<Box<dyn Future<Output = Result<Loaded<V>, BoxError>> + Send>>;

/// Whoever loads a value, for all who wait for it: a task, which no caller takes along when it
/// leaves. However it ends, they are told.
#[derive(Debug)]
pub(crate) struct Leader<V: Cacheable> {
    store: Arc<Store<V>>,
    tenant: Arc<Tenant>,
    place: Place,
    flight: Arc<Flight<V>>,
    /// What another instance once loaded.
    late: Option<Arc<Entry<V>>>,
    told: bool,
}

impl<V: Cacheable> Leader<V> {
    pub(crate) fn new(
        store: Arc<Store<V>>,
        tenant: Arc<Tenant>,
        place: Place,
        flight: Arc<Flight<V>>,
    ) -> Self {
        Self {
            store,
            tenant,
            place,
            flight,
            late: None,
            told: false,
        }
    }

    /// Waits for a slot and loads.
    pub(crate) fn depart(self, loader: Loader<V>) {
        // Somebody may have landed between this caller's look and its boarding.
        let now = self.store.hub.clock.now();
        match self.store.look_again(self.place.borrowed(), now) {
            Look::Fresh(entry) => return self.end(Landed::Found(entry)),
            Look::Absent => return self.end(Landed::Absent),
            Look::Failed(error) => return self.end(Landed::Failed(error)),
            Look::Nothing | Look::Stale { .. } | Look::Late(_) => {}
        }
        let hub = Arc::clone(&self.store.hub);
        hub.spawn(async move {
            let Some((leader, leave)) = self.seek().await else {
                return;
            };
            let hub = Arc::clone(&leader.store.hub);
            let deadline = Instant::now() + leader.store.policy.timeouts.hard;
            match hub.loads.acquire_before(leader.tenant.id(), deadline).await {
                Ok(slot) => leader.load(slot, loader, leave).await,
                Err(rejected) => {
                    hub.counters.shed.add();
                    leader.give_up(Error::Shed(rejected));
                }
            }
        });
    }

    /// Loads, for whoever is served something stale meanwhile.
    pub(crate) fn depart_with(self, slot: (LoadSlot, OwnedSemaphorePermit), loader: Loader<V>) {
        let hub = Arc::clone(&self.store.hub);
        hub.spawn(async move {
            let (slot, _permit) = slot;
            if let Some((leader, leave)) = self.seek().await {
                leader.load(slot, loader, leave).await;
            }
        });
    }

    /// Looks whether another instance has it. If not, there may be leave to store it for them.
    async fn seek(mut self) -> Option<(Self, Option<Leave>)> {
        let Some(link) = self.store.hub.remote.clone() else {
            return Some((self, None));
        };
        let spot = self.store.spot(&self.place);
        let patience = self.store.policy.timeouts.elsewhere;
        // Cancel safety: dropped here, this says that it was ended.
        let Sought { found, leave } = link.seek::<V>(&spot, patience).await;
        let Some(found) = found else {
            return Some((self, leave));
        };
        let fresh = found.is_fresh();
        let load = Load {
            since: self.flight.since(),
            begun: self.flight.begun(),
            age: found.age,
            fresh_for: found.fresh_for.saturating_sub(found.age),
        };
        let tenant = Arc::clone(&self.tenant);
        let (slot, landed) = self.store.entry(tenant, &self.place, load, found.loaded);
        match landed {
            Landed::Found(entry) if fresh => {
                self.keep(&slot);
                self.end(Landed::Elsewhere(entry));
                None
            }
            Landed::Absent if fresh => {
                self.keep(&slot);
                self.end(Landed::Absent);
                None
            }
            Landed::Found(entry) => {
                self.late = Some(entry);
                Some((self, leave))
            }
            _ => Some((self, leave)),
        }
    }

    /// Cancel safety: dropped anywhere, this gives back the slot, and says that it was ended.
    async fn load(self, slot: LoadSlot, loader: Loader<V>, leave: Option<Leave>) {
        let store = Arc::clone(&self.store);
        store.hub.counters.loads.add();
        let loaded = timeout(store.policy.timeouts.in_background, loader).await;
        drop(slot);
        match loaded {
            Ok(Ok(loaded)) => {
                let parcel = leave.as_ref().and_then(|_| store.parcel(&loaded));
                let spot = store.spot(&self.place);
                self.found(loaded);
                // Whoever waits has been told.
                if let (Some(link), Some(leave), Some(parcel)) = (&store.hub.remote, leave, parcel)
                {
                    link.fill(&spot, &leave, parcel).await;
                }
            }
            Ok(Err(error)) => {
                store.hub.counters.failed.add();
                self.failed(Error::load(error));
            }
            Err(_) => {
                store.hub.counters.timed_out.add();
                self.failed(Error::Timeout);
            }
        }
    }

    fn found(self, loaded: Loaded<V>) {
        let tenant = Arc::clone(&self.tenant);
        let load = Load {
            since: self.flight.since(),
            begun: self.flight.begun(),
            age: 0,
            fresh_for: self.store.fresh_for(&loaded),
        };
        let (slot, landed) = self.store.entry(tenant, &self.place, load, loaded);
        if !self.keep(&slot) {
            self.store.hub.counters.overtaken.add();
        }
        self.end(landed);
    }

    fn failed(self, error: Error) {
        self.remember(&error);
        self.give_up(error);
    }

    /// Whoever has nothing better is served what another instance once loaded, if that may be.
    fn give_up(mut self, error: Error) {
        let late = self.late.take();
        let late = late.filter(|late| late.meta.is_current() && self.may_serve(late));
        self.end(match late {
            Some(late) => Landed::Late(late, error),
            None => Landed::Failed(error),
        });
    }

    /// Puts an entry into memory, and lands; nothing, if it was overtaken by an invalidation.
    fn keep(&self, slot: &Arc<dyn Slot>) -> bool {
        let (hub, flights) = (&self.store.hub, &self.store.flights);
        if !flights.is_attached(&self.place, &self.flight) {
            return false;
        }
        // It is not served until it is live, and it becomes that in the instant in which the
        // load is known not to be detached. Whoever detaches it later removes the entry.
        hub.put(&self.place, Arc::clone(slot));
        let landed = flights.land(&self.place, &self.flight, || slot.meta().go_live());
        if !landed {
            hub.memory.remove_this(self.place.borrowed(), slot);
        }
        landed
    }

    /// Notes when to try again.
    fn remember(&self, error: &Error) {
        let store = &self.store;
        let Some(known) = store.hub.memory.find_known(self.place.borrowed()) else {
            return self.remember_alone(error, 1);
        };
        let (valid, failures) = (known.meta().is_valid(), known.meta().failures());
        let failures = if valid { failures.saturating_add(1) } else { 1 };
        let known = known.into_any();
        match known.downcast_ref::<Entry<V>>() {
            Some(stale) if valid && self.may_serve(stale) => {
                let backoff = store.policy.backoff(failures);
                stale.meta.count_failures(failures);
                let now = store.hub.clock.now();
                stale.meta.leave_until(now.saturating_add(backoff));
            }
            _ => self.remember_alone(error, failures),
        }
    }

    fn may_serve(&self, stale: &Entry<V>) -> bool {
        let now = self.store.hub.clock.now();
        let dies = stale.meta.fresh_until();
        now < dies.saturating_add(self.store.policy.dies_after())
    }

    fn remember_alone(&self, error: &Error, failures: u32) {
        if error.backs_off() {
            let tenant = Arc::clone(&self.tenant);
            let error = error.clone();
            let failure = self
                .store
                .failure(tenant, &self.place, &self.flight, error, failures);
            self.keep(&failure);
        }
    }

    fn end(mut self, landed: Landed<V>) {
        self.tell(landed);
    }

    fn tell(&mut self, landed: Landed<V>) {
        self.told = true;
        let (flights, flight) = (&self.store.flights, &self.flight);
        flights.land(&self.place, flight, || {});
        flight.tell(landed);
    }
}

impl<V: Cacheable> Drop for Leader<V> {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        let counters = &self.store.hub.counters;
        let error = if thread::panicking() {
            counters.panicked.add();
            self.remember(&Error::Panicked);
            Error::Panicked
        } else {
            counters.aborted.add();
            Error::Aborted
        };
        self.tell(Landed::Failed(error));
    }
}
