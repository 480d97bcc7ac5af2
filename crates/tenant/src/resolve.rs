//! How a request names its tenant, and what happens when it does so twice.

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;
use towerblock_core::{Reason, Rejected, TenantId};

/// What one [`Resolve`] found: a claim, nothing, or a reason to refuse.
pub type Named<'r> = Result<Option<Claim<'r>>, Rejected>;

/// Reads the name of the tenant from one place of the request.
///
/// It only names, and does so at once; whether there is such a tenant is the registry's to
/// say. Any `Fn(&Parts) -> Named<'_>` is one:
///
/// ```
/// use http::request::Parts;
/// use towerblock_tenant::{Claim, MemoryStore, Named, Registry, TenantLayer, Trust};
///
/// /// What an authentication layer outside of this one left behind.
/// #[derive(Clone)]
/// struct Session {
///     tenant: String,
/// }
///
/// fn session(parts: &Parts) -> Named<'_> {
///     let session = parts.extensions.get::<Session>();
///     Ok(session.map(|session| Claim::tenant(&session.tenant, Trust::Verified)))
/// }
/// let registry = Registry::new(MemoryStore::default());
/// let layer = TenantLayer::new(registry).resolver(session);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name tenants",
    note = "a function must have the type `fn(&http::request::Parts) -> Named<'_>`"
)]
pub trait Resolve: Send + Sync {
    /// The claim, or `None` when this place of the request says nothing.
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

/// How much a claim can be relied on, least first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Trust {
    /// Somebody says so, and could say anything. It counts only where an
    /// [`Authorize`](crate::Authorize) agrees; without one, the request is refused.
    Asserted,
    /// It follows from where the request was sent, or from who passed it on: a host, a
    /// path, a header of a gateway.
    Routed,
    /// Somebody who holds a key says so.
    Verified,
}

/// Which tenant one place of the request names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim<'r> {
    name: Name<'r>,
    trust: Trust,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Name<'r> {
    Tenant(Cow<'r, str>),
    Domain(Cow<'r, str>),
}

impl<'r> Claim<'r> {
    /// The tenant of this id.
    #[must_use]
    pub fn tenant(id: impl Into<Cow<'r, str>>, trust: Trust) -> Self {
        let name = Name::Tenant(id.into());
        Self { name, trust }
    }

    /// The tenant whose domain this is; in lower case, as the store has it.
    #[must_use]
    pub fn domain(domain: impl Into<Cow<'r, str>>, trust: Trust) -> Self {
        let name = Name::Domain(domain.into());
        Self { name, trust }
    }

    /// The id or the domain.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.name {
            Name::Tenant(name) | Name::Domain(name) => name,
        }
    }

    /// How much this can be relied on.
    #[must_use]
    pub const fn trust(&self) -> Trust {
        self.trust
    }
}

/// What all places of a request say together.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Identity<'r> {
    pub(crate) id: Option<Cow<'r, str>>,
    pub(crate) domain: Option<Cow<'r, str>>,
    /// That of the claim which can be relied on most.
    pub(crate) trust: Trust,
}

impl Identity<'_> {
    /// The id of the tenant, given whose domain it is, if a domain was named at all.
    pub(crate) fn id<'i>(
        &'i self,
        owner: Option<Option<&'i TenantId>>,
    ) -> Result<&'i str, Rejected> {
        match (owner, self.id.as_deref()) {
            (None, None) | (Some(None), _) => Err(unknown()),
            (None, Some(id)) => Ok(id),
            (Some(Some(owner)), Some(id)) if owner.as_str() != id => Err(invalid()),
            (Some(Some(owner)), _) => Ok(owner.as_str()),
        }
    }

    pub(crate) fn into_owned(self) -> Identity<'static> {
        let own = |name: Cow<'_, str>| Cow::Owned(name.into_owned());
        Identity {
            id: self.id.map(own),
            domain: self.domain.map(own),
            trust: self.trust,
        }
    }
}

/// The tenant that `resolvers` agree on, as far as names tell: whether a domain is the
/// named tenant's shows when it is looked up.
pub(crate) fn identify<'r>(
    resolvers: &[Arc<dyn Resolve>],
    parts: &'r Parts,
) -> Result<Identity<'r>, Rejected> {
    let mut all = Identity {
        id: None,
        domain: None,
        trust: Trust::Asserted,
    };
    for resolver in resolvers {
        let Some(Claim { name, trust }) = resolver.resolve(parts)? else {
            continue;
        };
        let (said, name) = match name {
            Name::Tenant(id) if !TenantId::is_valid(&id) => return Err(invalid()),
            Name::Tenant(id) => (&mut all.id, id),
            Name::Domain(domain) => (&mut all.domain, domain),
        };
        // Not "the first wins": whoever can set one place would choose for the other.
        if said.as_ref().is_some_and(|earlier| *earlier != name) {
            return Err(invalid());
        }
        *said = Some(name);
        all.trust = all.trust.max(trust);
    }
    if all.id.is_none() && all.domain.is_none() {
        return Err(unknown());
    }
    Ok(all)
}

/// Malformed, said twice, or in disagreement.
pub(crate) const fn invalid() -> Rejected {
    Rejected::new("tenant", Reason::InvalidTenant)
}

/// Missing, not there, or not this caller's: nobody can tell which.
pub(crate) const fn unknown() -> Rejected {
    Rejected::new("tenant", Reason::UnknownTenant)
}
