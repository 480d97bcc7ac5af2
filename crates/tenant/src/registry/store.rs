use std::pin::Pin;

use towerblock_core::{BoxError, TenantId};

use crate::Tenant;

/// Where the registry looks up what it does not know.
///
/// The registry asks for one name at a time, bounds how many questions are open and how
/// long each may take, and drops those that take longer. An `async` function that takes a
/// [`TenantId`] is a store without custom domains:
///
/// ```
/// use towerblock_core::{BoxError, TenantId};
/// use towerblock_tenant::{Isolation, Registry, Tenant};
///
/// async fn directory(id: TenantId) -> Result<Option<Tenant>, BoxError> {
///     Ok((id.as_str() == "acme").then(|| Tenant::new(id, 1, Isolation::Schema)))
/// }
/// let registry = Registry::new(directory);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no store of tenants",
    note = "an async function must take a `TenantId` and return `Result<Option<Tenant>, BoxError>`"
)]
pub trait TenantStore: Send + Sync + 'static {
    /// The tenant of this id, or `None` when there is none.
    ///
    /// Cancel safety: it is dropped when it takes too long.
    fn tenant(&self, id: TenantId)
    -> impl Future<Output = Result<Option<Tenant>, BoxError>> + Send;

    /// The tenant whose domain this is, in lower case. Default: no tenant has a domain.
    ///
    /// Cancel safety: it is dropped when it takes too long.
    fn domain(
        &self,
        domain: &str,
    ) -> impl Future<Output = Result<Option<TenantId>, BoxError>> + Send {
        let _ = domain;
        std::future::ready(Ok(None))
    }
}

impl<F, A> TenantStore for F
where
    F: Fn(TenantId) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Option<Tenant>, BoxError>> + Send,
{
    fn tenant(
        &self,
        id: TenantId,
    ) -> impl Future<Output = Result<Option<Tenant>, BoxError>> + Send {
        self(id)
    }
}

/// What a store answers, of whichever type the store is.
pub(super) type Answer<'s, T> =
    Pin<Box<dyn Future<Output = Result<Option<T>, BoxError>> + Send + 's>>;

/// A [`TenantStore`] of whichever type.
pub(super) trait AnyStore: Send + Sync {
    fn any_tenant(&self, id: TenantId) -> Answer<'_, Tenant>;
    fn any_domain<'s>(&'s self, domain: &'s str) -> Answer<'s, TenantId>;
}

impl<S: TenantStore> AnyStore for S {
    fn any_tenant(&self, id: TenantId) -> Answer<'_, Tenant> {
        Box::pin(self.tenant(id))
    }

    fn any_domain<'s>(&'s self, domain: &'s str) -> Answer<'s, TenantId> {
        Box::pin(self.domain(domain))
    }
}
