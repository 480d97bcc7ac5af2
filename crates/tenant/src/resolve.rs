//! How a request names its tenant, and what happens when it does so twice.

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;
use towerblock_core::{Reason, Rejected, TenantId};

use crate::{Registry, Tenant};

/// What one [`Resolve`] found: a name, nothing, or a reason to refuse.
pub type Named<'r> = Result<Option<Cow<'r, str>>, Rejected>;

/// Reads the name of the tenant from one place of the request.
///
/// It only names; whether there is such a tenant is the registry's to say. Any
/// `Fn(&Parts) -> Named<'_>` is one:
///
/// ```
/// use http::request::Parts;
/// use towerblock_tenant::{Named, Registry, TenantLayer};
///
/// fn first_segment(parts: &Parts) -> Named<'_> {
///     Ok(parts.uri.path().split('/').nth(1).map(Into::into))
/// }
/// let layer = TenantLayer::new(Registry::default()).resolver(first_segment);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name tenants",
    note = "a function must have the type `fn(&http::request::Parts) -> Named<'_>`"
)]
pub trait Resolve: Send + Sync {
    /// The name, or `None` when this place of the request says nothing.
    ///
    /// # Errors
    ///
    /// A refusal, usually for [`Reason::InvalidTenant`], when the place says something
    /// that cannot be understood.
    fn resolve<'r>(&self, parts: &'r Parts) -> Named<'r>;
}

impl<F> Resolve for F
where
    F: Fn(&Parts) -> Named<'_> + Send + Sync,
{
    fn resolve<'r>(&self, parts: &'r Parts) -> Named<'r> {
        self(parts)
    }
}

/// The tenant that `resolvers` agree on.
pub(crate) fn identify(
    resolvers: &[Arc<dyn Resolve>],
    registry: &Registry,
    parts: &Parts,
) -> Result<Arc<Tenant>, Rejected> {
    let mut named: Option<Cow<'_, str>> = None;
    for resolver in resolvers {
        let Some(name) = resolver.resolve(parts)? else {
            continue;
        };
        // Not "the first wins": whoever can set one place would choose for the other.
        if named.as_ref().is_some_and(|earlier| *earlier != name) || !TenantId::is_valid(&name) {
            return Err(invalid());
        }
        named = Some(name);
    }
    named
        .and_then(|name| registry.find(&name))
        .cloned()
        .ok_or(Rejected::new("tenant", Reason::UnknownTenant))
}

pub(crate) const fn invalid() -> Rejected {
    Rejected::new("tenant", Reason::InvalidTenant)
}
