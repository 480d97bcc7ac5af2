use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use towerblock_core::{BoxError, TenantId};

use crate::calls::Owner;
use crate::store::Store;
use crate::weight::Weigh;
use crate::{Cacheable, GetOrLoad, Hit, Invalidation, Key, Loaded};

/// Values of one kind, each of which is some tenant's: [`Hub::cache`](crate::Hub::cache) makes
/// one.
///
/// There is no call without a tenant; [`SharedCache`](crate::SharedCache) is for data of none.
/// Clones are the same cache.
pub struct Cache<K, V> {
    pub(crate) store: Arc<Store<V>>,
    keys: PhantomData<fn(&K)>,
}

impl<K: Key, V: Cacheable> Cache<K, V> {
    pub(crate) const fn of(store: Arc<Store<V>>) -> Self {
        let keys = PhantomData;
        Self { store, keys }
    }

    /// Weighs values by what this says they point to, in bytes, instead of by their JSON, which
    /// is written for each value that is stored, to be counted. What stands in `V` itself is
    /// counted in any case. It can be set once, for all clones; what a later call sets is
    /// ignored. Default: the length of the JSON.
    #[must_use]
    pub fn weigh(self, weigh: impl Fn(&V) -> usize + Send + Sync + 'static) -> Self {
        self.store.weigh(Weigh::new(weigh));
        self
    }

    /// The value if it is in memory and may be served at once: fresh, or stale while it would be
    /// loaded anew. This loads nothing.
    #[must_use]
    #[inline]
    pub fn peek<Q>(&self, tenant: &TenantId, key: &Q) -> Option<Hit<V>>
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
    {
        self.store.peek(Owner::Tenant(tenant), key)
    }

    /// The value, from memory or else from `load`, which is called once for all who wait for the
    /// same key. `None` says that there is no such thing.
    ///
    /// Memory is looked at by this call, and `load` is not called before the first poll. It
    /// returns a value, an `Option` of one, or a [`Loaded`], which says more. It runs in a task
    /// of its own and goes on when its caller leaves, so it owns what it needs.
    ///
    /// Cancel safety: dropping the future ends no load and leaves nobody waiting.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) if the load fails, is late, or has no slot, and there is nothing
    /// stale that may be served instead. The same error is given to all who come before it is
    /// time to try again.
    #[inline]
    pub fn get_or_load<Q, F, Fut, L, E>(&self, tenant: &TenantId, key: &Q, load: F) -> GetOrLoad<V>
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        self.store.get_or_load(Owner::Tenant(tenant), key, load)
    }

    /// Stores what the caller knows, in place of what is there or being loaded.
    pub async fn put<Q>(&self, tenant: &TenantId, key: &Q, value: impl Into<Loaded<V>>)
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
    {
        self.store
            .put_at(Owner::Tenant(tenant), key, value.into())
            .await;
    }

    /// Forgets a value. No call that begins after this has returned is given one whose load had
    /// begun before.
    pub async fn invalidate<Q>(&self, tenant: &TenantId, key: &Q) -> Invalidation
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
    {
        self.store.invalidate(Owner::Tenant(tenant), key).await
    }

    /// Ends the time to live of a value: it may be served stale still, where the policy lets it.
    pub async fn expire<Q>(&self, tenant: &TenantId, key: &Q) -> Invalidation
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
    {
        self.store.expire(Owner::Tenant(tenant), key).await
    }

    /// Forgets all values of this tenant that were loaded with this tag, of all caches of the
    /// hub but shared ones.
    pub async fn invalidate_tag(&self, tenant: &TenantId, tag: &str) -> Invalidation {
        self.store.invalidate_tag(Owner::Tenant(tenant), tag).await
    }

    /// Forgets all values of this tenant, of all caches of the hub, however many there are, at
    /// the price of one.
    pub async fn invalidate_tenant(&self, tenant: &TenantId) -> Invalidation {
        self.store.invalidate_all(Owner::Tenant(tenant)).await
    }
}

// Not derived, which would ask the same of `K` and `V`. Clones share it all.
impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            keys: PhantomData,
        }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cache").field(&self.store).finish()
    }
}
