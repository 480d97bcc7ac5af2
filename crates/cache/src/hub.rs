use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use towerblock_core::{Metric, Stats, Value};

#[cfg(feature = "redis")]
use crate::Remote;
#[cfg(feature = "redis")]
use crate::counters::Counters;
use crate::counters::METRICS;
use crate::error::StartError;
#[cfg(feature = "redis")]
use crate::remote::Link;
use crate::shared::Shared;
use crate::store::Store;
use crate::tenant::Tenant;
use crate::{Cache, InvalidCache, Key, Policy, Settings, SharedCache};

/// What the caches of a process share: memory, slots for loaders, a clock.
///
/// Clones are the same hub. Its task, which moves the clock on and tidies the memory, ends with
/// the last of them and of its caches, or at [`shutdown`](Self::shutdown).
#[derive(Clone)]
pub struct Hub {
    pub(crate) shared: Arc<Shared>,
}

impl Hub {
    /// Starts a hub that keeps all in memory.
    ///
    /// # Errors
    ///
    /// [`StartError`] outside of a tokio runtime, which must have timers.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let runtime = Handle::try_current().map_err(|_| StartError(()))?;
        let shared = Shared::start(settings, runtime, |_| None)?;
        Ok(Self { shared })
    }

    /// Starts a hub that shares what it caches with other instances, through Redis.
    ///
    /// It starts, and serves, while Redis is away.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    #[cfg(feature = "redis")]
    pub fn start_with(settings: Settings, remote: Remote) -> Result<Self, StartError> {
        let runtime = Handle::try_current().map_err(|_| StartError(()))?;
        let link = |counters: &Counters| Some(Link::new(remote, Arc::clone(&counters.remotely)));
        let shared = Shared::start(settings, runtime, link)?;
        Ok(Self { shared })
    }

    /// A cache of one kind of values, each of which is some tenant's. The name is
    /// `[a-z0-9-]{1,32}` and no other cache's of this hub.
    ///
    /// # Errors
    ///
    /// [`InvalidCache`] names what is wrong with the name or the policy.
    pub fn cache<K, V>(&self, name: &str, policy: Policy) -> Result<Cache<K, V>, InvalidCache>
    where
        K: Key,
        V: Cacheable,
    {
        Ok(Cache::of(self.store(name, policy, None)?))
    }

    /// A cache of one kind of values that are no tenant's. The name is as that of
    /// [`cache`](Self::cache).
    ///
    /// # Errors
    ///
    /// [`InvalidCache`] names what is wrong with the name or the policy.
    pub fn shared_cache<K, V>(
        &self,
        name: &str,
        policy: Policy,
    ) -> Result<SharedCache<K, V>, InvalidCache>
    where
        K: Key,
        V: Cacheable,
    {
        let scope = self.scope();
        let store = self.store(name, policy, Some(Arc::clone(&scope)))?;
        Ok(SharedCache::of(store, scope))
    }

    /// Begins no load any more, lets those under way end for so long, and drops the rest. What
    /// is in memory is served on, as long as its policy allows.
    ///
    /// Cancel safety: when this is dropped, loads that are under way are dropped at once.
    pub async fn shutdown(&self, grace: Duration) {
        self.shared.shutdown(grace).await;
    }

    /// In whose name a cache keeps what is no tenant's.
    pub(crate) fn scope(&self) -> Arc<Tenant> {
        let tenants = Arc::clone(&self.shared.tenants);
        Arc::new(Tenant::new(self.shared.nobody.clone(), tenants, None))
    }

    pub(crate) fn store<V: Cacheable>(
        &self,
        name: &str,
        policy: Policy,
        scope: Option<Arc<Tenant>>,
    ) -> Result<Arc<Store<V>>, InvalidCache> {
        let invalid = |flaw| InvalidCache {
            name: name.to_owned(),
            flaw,
        };
        if let Some(flaw) = policy.flaw() {
            return Err(invalid(flaw));
        }
        let known = self.shared.register(name).map_err(invalid)?;
        let id = known.0;
        let store = Arc::new(Store::new(Arc::clone(&self.shared), known, policy, scope));
        let weak = Arc::downgrade(&store);
        self.shared.enroll(id, weak);
        Ok(store)
    }
}

impl Stats for Hub {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        self.shared.counters.read(self.shared.levels(), sink);
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.shared.levels();
        f.debug_struct("Hub")
            .field("bytes", &now.bytes)
            .field("entries", &now.entries)
            .field("tenants", &now.tenants)
            .finish_non_exhaustive()
    }
}

/// What can be cached: whatever serde can write and read again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    note = "derive `serde::Serialize` and `serde::Deserialize`; it must own what it holds"
)]
pub trait Cacheable: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Cacheable for V {}
