//! The calls of a cache, whoever its values belong to.

use std::sync::Arc;

use towerblock_core::{BoxError, TenantId};

use crate::entry::Entry;
use crate::forget::Forget;
use crate::get_or_load::GetOrLoad;
use crate::hit::{Freshness, Hit, Source};
use crate::key::{KeyBuf, PlaceRef};
use crate::leader::Loader;
use crate::store::{Look, Store};
use crate::tenant::Tenant;
use crate::{Cacheable, Invalidation, Key, Loaded};

/// Whose values: a tenant's, or those of a `SharedCache`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner<'a> {
    Tenant(&'a TenantId),
    Scope(&'a Arc<Tenant>),
}

impl<'a> Owner<'a> {
    pub(crate) fn id(self) -> &'a TenantId {
        match self {
            Self::Tenant(id) => id,
            Self::Scope(scope) => scope.id(),
        }
    }
}

impl<V: Cacheable> Store<V> {
    pub(crate) fn peek<Q: Key + ?Sized>(&self, owner: Owner<'_>, key: &Q) -> Option<Hit<V>> {
        let buf = KeyBuf::of(key);
        let now = self.hub.clock.coarse();
        match self.look(self.at(owner, &buf), now) {
            Look::Fresh(entry) => Some(self.hit(entry, now)),
            Look::Stale { entry, .. } => Some(self.serve_stale(entry)),
            Look::Nothing | Look::Absent | Look::Failed(_) | Look::Late(_) => None,
        }
    }

    #[inline]
    pub(crate) fn get_or_load<Q, F, Fut, L, E>(
        self: &Arc<Self>,
        owner: Owner<'_>,
        key: &Q,
        load: F,
    ) -> GetOrLoad<V>
    where
        Q: Key + ?Sized,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        let buf = KeyBuf::of(key);
        let place = self.at(owner, &buf);
        let now = self.hub.clock.coarse();
        let stale = match self.look(place, now) {
            Look::Fresh(entry) => return GetOrLoad::ready(Ok(Some(self.hit(entry, now)))),
            Look::Absent => {
                self.hub.counters.hits.add();
                return GetOrLoad::ready(Ok(None));
            }
            Look::Failed(error) => return GetOrLoad::ready(Err(error)),
            Look::Stale { entry, refresh } => {
                if refresh {
                    let tenant = self.enter(owner);
                    self.refresh(tenant, place.to_owned(), loader(load), &entry);
                }
                return GetOrLoad::ready(Ok(Some(self.serve_stale(entry))));
            }
            Look::Late(entry) => Some(entry),
            Look::Nothing => None,
        };
        let tenant = self.enter(owner);
        let (place, loader) = (place.to_owned(), loader(load));
        GetOrLoad::loads(Arc::clone(self).load(tenant, place, loader, stale))
    }

    pub(crate) async fn put_at<Q: Key + ?Sized>(
        &self,
        owner: Owner<'_>,
        key: &Q,
        value: Loaded<V>,
    ) {
        let place = self.at(owner, &KeyBuf::of(key)).to_owned();
        self.put(self.enter(owner), &place, value).await;
    }

    pub(crate) async fn invalidate<Q: Key + ?Sized>(
        &self,
        owner: Owner<'_>,
        key: &Q,
    ) -> Invalidation {
        self.hub.counters.of_key.add();
        self.hub.forget(self.key(owner, key)).await
    }

    pub(crate) async fn expire<Q: Key + ?Sized>(&self, owner: Owner<'_>, key: &Q) -> Invalidation {
        self.hub.counters.of_key.add();
        let place = self.at(owner, &KeyBuf::of(key)).to_owned();
        // What is under way is as old.
        self.flights.detach(&place);
        // The time that a hit is judged by.
        let now = self.hub.clock.coarse();
        match self.look(place.borrowed(), now) {
            Look::Fresh(entry) | Look::Stale { entry, .. } | Look::Late(entry) => {
                entry.meta.expire(now);
            }
            Look::Absent | Look::Failed(_) | Look::Nothing => {
                self.hub.memory.remove(place.borrowed());
            }
        }
        let forget = self.spot(&place).forget();
        match self.hub.remote.clone() {
            Some(link) => {
                let telling = async move { link.forget(&forget).await };
                self.hub.tell(telling).reached().await
            }
            None => Invalidation::Everywhere,
        }
    }

    pub(crate) async fn invalidate_tag(&self, owner: Owner<'_>, tag: &str) -> Invalidation {
        self.hub.counters.of_tag.add();
        self.hub.forget(self.tag(owner, tag)).await
    }

    pub(crate) async fn invalidate_all(&self, owner: Owner<'_>) -> Invalidation {
        self.hub.counters.of_all.add();
        self.hub.forget(self.all(owner)).await
    }

    /// What forgets a value.
    pub(crate) fn key<Q: Key + ?Sized>(&self, owner: Owner<'_>, key: &Q) -> Forget {
        let place = self.at(owner, &KeyBuf::of(key)).to_owned();
        self.spot(&place).forget()
    }

    pub(crate) fn tag(&self, owner: Owner<'_>, tag: &str) -> Forget {
        Forget::Tag {
            scope: self.scope_of(owner.id()),
            tag: tag.to_owned(),
        }
    }

    pub(crate) fn all(&self, owner: Owner<'_>) -> Forget {
        let scope = self.scope_of(owner.id());
        Forget::Scope { scope }
    }

    #[inline]
    pub(crate) fn hit(&self, entry: Arc<Entry<V>>, now: u64) -> Hit<V> {
        self.hub.counters.hits.add();
        Hit::new(entry, Source::Memory, Freshness::Fresh, now)
    }

    #[inline]
    pub(crate) fn at<'a>(&self, owner: Owner<'a>, buf: &'a KeyBuf) -> PlaceRef<'a> {
        PlaceRef {
            tenant: owner.id(),
            cache: self.id,
            key: buf.bytes(),
        }
    }

    pub(crate) fn enter(&self, owner: Owner<'_>) -> Arc<Tenant> {
        match owner {
            Owner::Tenant(id) => self.hub.tenants.enter(id),
            Owner::Scope(scope) => Arc::clone(scope),
        }
    }
}

/// Called in its task: what it does before it first waits, and a panic, concern no caller.
fn loader<V, F, Fut, L, E>(load: F) -> Loader<V>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<L, E>> + Send + 'static,
    L: Into<Loaded<V>>,
    E: Into<BoxError>,
{
    Box::pin(async move { load().await.map(Into::into).map_err(Into::into) })
}
