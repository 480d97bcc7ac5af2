use std::borrow::Borrow;

#[cfg(feature = "http")]
use http::Uri;
use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;
use towerblock_core::TenantId;

use super::OutboxError;
#[cfg(feature = "http")]
use crate::HttpCacheLayer;
use crate::calls::Owner;
use crate::forget::Forget;
use crate::shared::Shared;
use crate::{Cache, Cacheable, Key, SharedCache};

/// Invalidations that are as durable as the write they belong to: they happen if, and only if,
/// its transaction is committed, within milliseconds, also when this process dies in between.
///
/// They are no barrier: who must not see the old value on this instance once the call that wrote
/// has returned calls [`invalidate`](Cache::invalidate) after the commit, too.
///
/// Cancel safety: as any statement of a transaction; one that is not committed has noted nothing.
impl<K: Key, V: Cacheable> Cache<K, V> {
    /// Notes in the caller's transaction that a value is to be forgotten.
    ///
    /// # Errors
    ///
    /// [`OutboxError::Missing`] without a [`relay`](crate::Hub::relay), and those of the
    /// database.
    pub async fn invalidate_in<Q>(
        &self,
        transaction: &impl GenericClient,
        tenant: &TenantId,
        key: &Q,
    ) -> Result<(), OutboxError>
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
    {
        let forget = self.store.key(Owner::Tenant(tenant), key);
        self.store.hub.note(transaction, &forget).await
    }

    /// Notes that what was loaded with this tag is to be forgotten, as
    /// [`invalidate_tag`](Self::invalidate_tag) does.
    ///
    /// # Errors
    ///
    /// As [`invalidate_in`](Self::invalidate_in).
    pub async fn invalidate_tag_in(
        &self,
        transaction: &impl GenericClient,
        tenant: &TenantId,
        tag: &str,
    ) -> Result<(), OutboxError> {
        let forget = self.store.tag(Owner::Tenant(tenant), tag);
        self.store.hub.note(transaction, &forget).await
    }

    /// Notes that all of this tenant is to be forgotten, as
    /// [`invalidate_tenant`](Self::invalidate_tenant) does.
    ///
    /// # Errors
    ///
    /// As [`invalidate_in`](Self::invalidate_in).
    pub async fn invalidate_tenant_in(
        &self,
        transaction: &impl GenericClient,
        tenant: &TenantId,
    ) -> Result<(), OutboxError> {
        let forget = self.store.all(Owner::Tenant(tenant));
        self.store.hub.note(transaction, &forget).await
    }
}

/// As those of [`Cache`].
impl<K: Key, V: Cacheable> SharedCache<K, V> {
    /// Notes in the caller's transaction that a value is to be forgotten.
    ///
    /// # Errors
    ///
    /// As [`Cache::invalidate_in`].
    pub async fn invalidate_in<Q>(
        &self,
        transaction: &impl GenericClient,
        key: &Q,
    ) -> Result<(), OutboxError>
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
    {
        let forget = self.store.key(Owner::Scope(&self.scope), key);
        self.store.hub.note(transaction, &forget).await
    }

    /// Notes that what was loaded with this tag is to be forgotten.
    ///
    /// # Errors
    ///
    /// As [`Cache::invalidate_in`].
    pub async fn invalidate_tag_in(
        &self,
        transaction: &impl GenericClient,
        tag: &str,
    ) -> Result<(), OutboxError> {
        let forget = self.store.tag(Owner::Scope(&self.scope), tag);
        self.store.hub.note(transaction, &forget).await
    }

    /// Notes that all values are to be forgotten.
    ///
    /// # Errors
    ///
    /// As [`Cache::invalidate_in`].
    pub async fn invalidate_all_in(
        &self,
        transaction: &impl GenericClient,
    ) -> Result<(), OutboxError> {
        let forget = self.store.all(Owner::Scope(&self.scope));
        self.store.hub.note(transaction, &forget).await
    }
}

/// As those of [`Cache`].
#[cfg(feature = "http")]
impl HttpCacheLayer {
    /// Notes in the caller's transaction that the answers of a URI are to be forgotten, as
    /// [`invalidate`](Self::invalidate) does.
    ///
    /// # Errors
    ///
    /// As [`Cache::invalidate_in`].
    pub async fn invalidate_in(
        &self,
        transaction: &impl GenericClient,
        tenant: &TenantId,
        uri: &Uri,
    ) -> Result<(), OutboxError> {
        match self.forget_uri(tenant, uri) {
            Some(forget) => self.store().hub.note(transaction, &forget).await,
            None => Ok(()),
        }
    }

    /// Notes that the answers with this tag are to be forgotten, as
    /// [`invalidate_tag`](Self::invalidate_tag) does.
    ///
    /// # Errors
    ///
    /// As [`Cache::invalidate_in`].
    pub async fn invalidate_tag_in(
        &self,
        transaction: &impl GenericClient,
        tenant: &TenantId,
        tag: &str,
    ) -> Result<(), OutboxError> {
        let store = self.store();
        let forget = store.tag(self.owner(tenant), tag);
        store.hub.note(transaction, &forget).await
    }

    /// Notes that all answers are to be forgotten, as [`invalidate_all`](Self::invalidate_all)
    /// does.
    ///
    /// # Errors
    ///
    /// As [`Cache::invalidate_in`].
    pub async fn invalidate_all_in(
        &self,
        transaction: &impl GenericClient,
        tenant: &TenantId,
    ) -> Result<(), OutboxError> {
        let store = self.store();
        let forget = store.all(self.owner(tenant));
        store.hub.note(transaction, &forget).await
    }
}

impl Shared {
    async fn note(
        &self,
        transaction: &impl GenericClient,
        forget: &Forget,
    ) -> Result<(), OutboxError> {
        let desk = self.desk.get().ok_or(OutboxError::Missing)?;
        let text = forget.encode();
        transaction
            .query_typed(&desk.statements.note, &[(&text, Type::TEXT)])
            .await?;
        desk.noted.notify_one();
        Ok(())
    }
}
