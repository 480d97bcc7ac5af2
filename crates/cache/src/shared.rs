use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};
use towerblock_core::TenantId;
use towerblock_fair::FairSemaphore;

use crate::clock::{Clock, TICK};
use crate::counters::{Counters, Levels};
use crate::entry::Slot;
use crate::error::StartError;
use crate::forgetting::Known;
use crate::key::{Place, PlaceRef};
use crate::memory::Memory;
#[cfg(feature = "postgres")]
use crate::outbox::Desk;
use crate::remote::{self, Link};
use crate::ring::{Held, Ticket};
use crate::tenant::Tenant;
use crate::tenants::Tenants;
use crate::{Fairness, Settings};

/// What the caches of a hub and their loads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) memory: Memory,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) loads: FairSemaphore,
    pub(crate) refreshes: Arc<Semaphore>,
    pub(crate) counters: Counters,
    pub(crate) settings: Settings,
    /// In whose name data of no tenant is loaded and kept.
    pub(crate) nobody: TenantId,
    hasher: RandomState,
    pub(crate) caches: Mutex<Vec<Known>>,
    /// What was loaded before this time of the clock is not served as fresh.
    pub(crate) trusted_since: AtomicU64,
    pub(crate) remote: Option<Arc<Link>>,
    /// Where writers note what is to be forgotten, once there is a relay.
    #[cfg(feature = "postgres")]
    pub(crate) desk: OnceLock<Arc<Desk>>,
    pub(crate) runtime: Handle,
    /// Nothing, once it is shut down.
    tasks: Mutex<Option<JoinSet<()>>>,
    tending: OnceLock<Vec<AbortHandle>>,
}

impl Shared {
    pub(crate) fn start(
        settings: Settings,
        runtime: Handle,
        link: impl FnOnce(&Counters) -> Option<Link>,
    ) -> Result<Arc<Self>, StartError> {
        let nobody = TenantId::new("shared-by-all-tenants").map_err(|_| StartError(()))?;
        let clock = Arc::new(Clock::start());
        let counters = Counters::default();
        let remote = link(&counters).map(Arc::new);
        let shared = Arc::new(Self {
            memory: Memory::of(settings.memory),
            tenants: Arc::default(),
            clock,
            loads: settings.loads.slots(),
            refreshes: Arc::new(Semaphore::new(settings.loads.refreshes())),
            counters,
            settings,
            nobody,
            hasher: RandomState::new(),
            caches: Mutex::default(),
            trusted_since: AtomicU64::new(0),
            remote,
            #[cfg(feature = "postgres")]
            desk: OnceLock::new(),
            runtime,
            tasks: Mutex::new(Some(JoinSet::new())),
            tending: OnceLock::new(),
        });
        shared.tend();
        Ok(shared)
    }

    /// Only once all of it is there: what does not find it ends.
    fn tend(self: &Arc<Self>) {
        let ticking = Ticking(Arc::clone(&self.clock));
        let upkeep = self.runtime.spawn(upkeep(Arc::downgrade(self), ticking));
        let mut tending = vec![upkeep.abort_handle()];
        if self.remote.is_some() {
            let follow = self.runtime.spawn(remote::follow(Arc::downgrade(self)));
            tending.push(follow.abort_handle());
        }
        let _first = self.tending.set(tending);
    }

    pub(crate) fn levels(&self) -> Levels {
        Levels {
            bytes: self.tenants.ledger.bytes(),
            entries: self.tenants.ledger.entries(),
            tenants: self.tenants.len(),
        }
    }

    /// Tags are known by their hash: two that share one are forgotten together.
    pub(crate) fn tag(&self, tag: &str) -> u64 {
        self.hasher.hash_one(tag)
    }

    /// Runs a load in a task, or says that there are none any more.
    pub(crate) fn spawn(&self, load: impl Future<Output = ()> + Send + 'static) -> bool {
        let mut tasks = self.tasks();
        let Some(set) = &mut *tasks else {
            // Dropped after the lock: it is a user's.
            drop(tasks);
            return false;
        };
        while set.try_join_next().is_some() {}
        set.spawn_on(load, &self.runtime);
        true
    }

    pub(crate) async fn shutdown(&self, grace: Duration) {
        self.loads.close();
        let tasks = self.tasks().take();
        if let Some(mut tasks) = tasks {
            // Cancel safety: a set that is dropped ends its tasks.
            let all = async { while tasks.join_next().await.is_some() {} };
            let _ended = timeout(grace, all).await;
            tasks.shutdown().await;
        }
        self.tending
            .get()
            .into_iter()
            .flatten()
            .for_each(AbortHandle::abort);
    }

    /// A place for an entry among what its tenant holds, for which it may have to give up
    /// others; nothing if it does not fit.
    pub(crate) fn admit(&self, tenant: &Tenant, held: Held) -> Option<Ticket> {
        let bytes = u64::from(held.bytes);
        let used = self.tenants.ledger.bytes().saturating_add(bytes);
        if bytes > self.settings.memory {
            return None;
        }
        if Fairness::is_scarce(self.settings.memory, used) {
            let tenants = self.tenants.len();
            let cap = self.settings.fairness.cap(self.settings.memory, tenants);
            if bytes > cap {
                return None;
            }
            while tenant.bytes().saturating_add(bytes) > cap {
                self.evict(tenant, &tenant.pop_oldest()?);
                self.counters.evicted.add();
            }
        }
        Some(tenant.hold(held))
    }

    /// Stores an entry that was admitted, in place of any other; it is not served before it is
    /// live.
    pub(crate) fn put(&self, place: &Place, slot: Arc<dyn Slot>) {
        if let Some(replaced) = self.memory.find_known(place.borrowed()) {
            replaced.meta().release();
        }
        if slot.meta().is_stored() {
            self.memory.insert(place.clone(), slot);
        } else {
            self.memory.remove(place.borrowed());
        }
    }

    fn evict(&self, tenant: &Tenant, held: &Held) {
        self.memory.remove(PlaceRef {
            tenant: tenant.id(),
            cache: held.cache,
            key: &held.key,
        });
    }

    /// Drops what cannot be served any more, of some tenants and their oldest.
    fn sweep(&self) {
        let now = self.clock.now();
        for tenant in self.tenants.some(SWEPT) {
            for _ in 0..SWEPT_EACH {
                let Some(dead) = tenant.pop_dead(now) else {
                    break;
                };
                self.evict(&tenant, &dead);
            }
        }
        self.memory.tidy();
    }

    fn tasks(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tending
            .get()
            .into_iter()
            .flatten()
            .for_each(AbortHandle::abort);
    }
}

/// So many tenants are looked at each second, and so many entries of each.
const SWEPT: usize = 1_000;
const SWEPT_EACH: usize = 64;

/// Moves the clock on, and once in a second tidies up.
async fn upkeep(shared: Weak<Shared>, ticking: Ticking) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        for _ in 0..100 {
            ticks.tick().await;
            ticking.0.tick();
        }
        match shared.upgrade() {
            Some(shared) => shared.sweep(),
            None => return,
        }
    }
}

/// A clock that is moved on until this is dropped, with its task or its runtime.
struct Ticking(Arc<Clock>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.stop();
    }
}
