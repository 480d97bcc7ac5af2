//! How a hub forgets: here, and elsewhere.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};

use tokio::sync::oneshot;
use towerblock_core::TenantId;

use crate::Invalidation;
use crate::entry::Meta;
use crate::forget::{Forget, Scope};
use crate::key::Place;
use crate::shared::Shared;
use crate::tenant::Tenant;

/// One cache of the hub.
#[derive(Debug)]
pub(crate) struct Known {
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

/// Others are being told. It holds nothing of how, so that the futures of callers stay small.
#[derive(Debug)]
pub(crate) struct Telling(oneshot::Receiver<bool>);

impl Telling {
    pub(crate) async fn reached(self) -> Invalidation {
        // After the shutdown nobody is told.
        match self.0.await {
            Ok(true) => Invalidation::Everywhere,
            Ok(false) | Err(_) => Invalidation::Here,
        }
    }
}

impl Shared {
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
        match self.begin_to_forget(forget) {
            Some(telling) => telling.reached().await,
            None => Invalidation::Everywhere,
        }
    }

    /// Forgets it here, and has others told, if there are any.
    pub(crate) fn begin_to_forget(self: &Arc<Self>, forget: Forget) -> Option<Telling> {
        self.apply(&forget);
        let link = self.remote.clone()?;
        let hub = Arc::clone(self);
        Some(self.tell(async move {
            let told = link.forget(&forget).await;
            // Once more: it may have been read there before it was forgotten.
            hub.apply(&forget);
            told
        }))
    }

    /// Runs to its end whatever is told to others, also when the caller leaves.
    pub(crate) fn tell(&self, telling: impl Future<Output = bool> + Send + 'static) -> Telling {
        let (tell, told) = oneshot::channel();
        self.spawn(async move {
            let _ = tell.send(telling.await);
        });
        Telling(told)
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
}
