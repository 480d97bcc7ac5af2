use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};
use towerblock_core::TenantId;
use towerblock_fair::FairSemaphore;

use crate::clock::{Clock, TICK};
use crate::counters::{Counters, Levels};
use crate::entry::{Meta, Slot};
use crate::error::StartError;
use crate::key::{Place, PlaceRef};
use crate::forget::{Forget, Scope};
use crate::memory::Memory;
use crate::remote::{self, Link};
use crate::ring::{Held, Ticket};
use crate::tenant::Tenant;
use crate::tenants::Tenants;
use crate::{Fairness, Invalidation, Settings};

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
    caches: Mutex<Vec<Known>>,
    /// What was loaded before this time of the clock is not served as fresh.
    trusted_since: AtomicU64,
    pub(crate) remote: Option<Arc<Link>>,
    runtime: Handle,
    /// Nothing, once it is shut down.
    tasks: Mutex<Option<JoinSet<()>>>,
    tending: Vec<AbortHandle>,
}

/// One cache of the hub.
#[derive(Debug)]
struct Known {
    name: Arc<str>,
    cache: Option<Weak<dyn Forgets>>,
}

/// A cache, whatever its values are.
pub(crate) trait Forgets: Send + Sync + fmt::Debug {
    /// Nobody joins the load of this key any more, and what it finds is not stored.
    fn detach(&self, place: &Place);

    /// In whose name it keeps what is no tenant's.
    fn scope(&self) -> Option<&Arc<Tenant>>;
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
        Ok(Arc::new_cyclic(|this| {
            let upkeep = runtime.spawn(upkeep(Weak::clone(this), Ticking(Arc::clone(&clock))));
            let mut tending = vec![upkeep.abort_handle()];
            if remote.is_some() {
                let follow = runtime.spawn(remote::follow(Weak::clone(this)));
                tending.push(follow.abort_handle());
            }
            Self {
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
                runtime,
                tasks: Mutex::new(Some(JoinSet::new())),
                tending,
            }
        }))
    }

    pub(crate) fn register(&self, name: &str) -> Result<(u16, Arc<str>), &'static str> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if !(matches!(name.len(), 1..=32) && name.bytes().all(allowed)) {
            return Err("the name is not of the form [a-z0-9-]{1,32}");
        }
        let mut caches = self.caches();
        if caches.iter().any(|known| *known.name == *name) {
            return Err("the name is taken: clone the cache that has it");
        }
        let id = u16::try_from(caches.len()).map_err(|_| "the hub has 65,536 caches already")?;
        let name: Arc<str> = name.into();
        caches.push(Known {
            name: Arc::clone(&name),
            cache: None,
        });
        Ok((id, name))
    }

    /// From now on the cache hears of what is to be forgotten.
    pub(crate) fn enroll(&self, id: u16, cache: Weak<dyn Forgets>) {
        if let Some(known) = self.caches().get_mut(usize::from(id)) {
            known.cache = Some(cache);
        }
    }

    fn find(&self, name: &str) -> Option<(u16, Arc<dyn Forgets>)> {
        let caches = self.caches();
        let at = caches.iter().position(|known| *known.name == *name)?;
        let cache = caches.get(at)?.cache.as_ref()?.upgrade()?;
        Some((u16::try_from(at).ok()?, cache))
    }

    /// Forgets it here. Detached first: a load that lands later is not stored, and what one
    /// stored before is removed.
    pub(crate) fn apply(&self, forget: &Forget) {
        match forget {
            Forget::Key { scope, cache, key } => {
                let Some((id, found)) = self.find(cache) else {
                    return;
                };
                let tenant = match scope {
                    Scope::Tenant(tenant) => TenantId::new(tenant.as_str()).ok(),
                    Scope::Shared(_) => Some(self.nobody.clone()),
                };
                let Some(tenant) = tenant else { return };
                let place = Place {
                    tenant,
                    cache: id,
                    key: key.as_slice().into(),
                };
                found.detach(&place);
                self.memory.remove(place.borrowed());
            }
            Forget::Tag { scope, tag } => {
                if let Some(tenant) = self.of(scope) {
                    tenant.forget_tag(self.tag(tag));
                }
            }
            Forget::Scope { scope } => {
                if let Some(tenant) = self.of(scope) {
                    tenant.forget_all();
                }
            }
            Forget::All => self.suspect(self.clock.now()),
        }
    }

    fn of(&self, scope: &Scope) -> Option<Arc<Tenant>> {
        match scope {
            Scope::Tenant(tenant) => self.tenants.find(&TenantId::new(tenant.as_str()).ok()?),
            Scope::Shared(cache) => self.find(cache)?.1.scope().cloned(),
        }
    }

    /// Forgets it here, and then elsewhere, whoever waits for that.
    pub(crate) async fn forget(self: &Arc<Self>, forget: Forget) -> Invalidation {
        self.apply(&forget);
        let Some(link) = self.remote.clone() else {
            return Invalidation::Everywhere;
        };
        let hub = Arc::clone(self);
        self.finish(async move {
            let told = link.forget(&forget).await;
            // Once more: it may have been read there before it was forgotten.
            hub.apply(&forget);
            told
        })
        .await
    }

    /// Runs to its end whatever is told to others, also when the caller leaves.
    pub(crate) async fn finish(
        &self,
        telling: impl Future<Output = bool> + Send + 'static,
    ) -> Invalidation {
        let (tell, told) = oneshot::channel();
        self.spawn(async move {
            let _ = tell.send(telling.await);
        });
        // After the shutdown nobody is told.
        match told.await {
            Ok(true) => Invalidation::Everywhere,
            Ok(false) | Err(_) => Invalidation::Here,
        }
    }

    /// What was loaded before this time may not be what it should be: it is looked up again, and
    /// served only if there is nothing else.
    pub(crate) fn suspect(&self, before: u64) {
        self.counters.remotely.suspected.add();
        // What was loaded in the same instant counts as before.
        let since = before.saturating_add(1);
        self.trusted_since.fetch_max(since, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn trusts(&self, meta: &Meta) -> bool {
        meta.begun() >= self.trusted_since.load(Ordering::Relaxed)
    }

    fn caches(&self) -> MutexGuard<'_, Vec<Known>> {
        self.caches.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.tending.iter().for_each(AbortHandle::abort);
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
        self.tending.iter().for_each(AbortHandle::abort);
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
