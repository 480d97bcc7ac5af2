//! Whether the caller may act for the tenant, and the tenant may act at all.

use std::fmt;
use std::pin::Pin;

use http::Method;
use http::request::Parts;
use towerblock_core::{Reason, Rejected};

use crate::{Tenant, TenantState, Trust};

/// Decides whether whoever sent a request may act for a tenant.
///
/// Any `Fn(&Parts, &Tenant, Trust) -> bool` is one, and so is one that returns a
/// [`Verdict`]. It runs for each request, after the tenant is known and before anything
/// below the layer; what it denies looks like a tenant that does not exist.
///
/// ```
/// use http::request::Parts;
/// use towerblock_tenant::{MemoryStore, Registry, Tenant, TenantLayer, Trust};
///
/// /// Put there by an authentication layer outside of this one.
/// #[derive(Clone)]
/// struct Principal {
///     tenants: Vec<String>,
/// }
///
/// fn is_member(parts: &Parts, tenant: &Tenant, _: Trust) -> bool {
///     let principal = parts.extensions.get::<Principal>();
///     principal.is_some_and(|principal| principal.tenants.iter().any(|id| id == tenant.id.as_str()))
/// }
/// let registry = Registry::new(MemoryStore::default());
/// let layer = TenantLayer::new(registry).authorize(is_member);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not authorize callers",
    note = "a function must have the type `fn(&http::request::Parts, &Tenant, Trust) -> bool`, or return a `Verdict`"
)]
pub trait Authorize: Send + Sync {
    /// Whether this request may go on for `tenant`, which it named with so much `trust`.
    fn authorize(&self, parts: &Parts, tenant: &Tenant, trust: Trust) -> Verdict;
}

impl<F, V> Authorize for F
where
    F: Fn(&Parts, &Tenant, Trust) -> V + Send + Sync,
    V: Into<Verdict>,
{
    fn authorize(&self, parts: &Parts, tenant: &Tenant, trust: Trust) -> Verdict {
        self(parts, tenant, trust).into()
    }
}

/// What an [`Authorize`] decided.
#[non_exhaustive]
pub enum Verdict {
    /// The request may go on.
    Allow,
    /// It may not, and the answer is that of an unknown tenant.
    Deny,
    /// It takes a question to somebody else; see [`ask`](Self::ask).
    Ask(Pin<Box<dyn Future<Output = Result<bool, Rejected>> + Send>>),
}

impl Verdict {
    /// Waits for `answer`: whether the request may go on, or a refusal, such as one for
    /// [`Reason::Unavailable`] when whoever should know cannot be asked. A bound on the
    /// time is the answer's own.
    pub fn ask(answer: impl Future<Output = Result<bool, Rejected>> + Send + 'static) -> Self {
        Self::Ask(Box::pin(answer))
    }
}

impl From<bool> for Verdict {
    fn from(may: bool) -> Self {
        if may { Self::Allow } else { Self::Deny }
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
            Self::Ask(_) => "Ask(..)",
        })
    }
}

/// What the tenant's state says of a request.
pub(crate) fn admit(state: TenantState, method: &Method) -> Result<(), Rejected> {
    let reason = match state {
        TenantState::Active => return Ok(()),
        TenantState::ReadOnly if method.is_safe() => return Ok(()),
        TenantState::ReadOnly => Reason::TenantReadOnly,
        TenantState::Moving => Reason::TenantMoving,
        TenantState::Suspended => Reason::TenantSuspended,
        TenantState::Deleted => Reason::UnknownTenant,
    };
    Err(Rejected::new("tenant", reason))
}

#[cfg(test)]
mod tests {
    use http::Method;
    use towerblock_core::Reason;

    use super::admit;
    use crate::TenantState;

    #[test]
    fn a_state_decides_by_its_row() {
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS];
        let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        for (state, read, write) in [
            (TenantState::Active, None, None),
            (TenantState::ReadOnly, None, Some(Reason::TenantReadOnly)),
            (
                TenantState::Moving,
                Some(Reason::TenantMoving),
                Some(Reason::TenantMoving),
            ),
            (
                TenantState::Suspended,
                Some(Reason::TenantSuspended),
                Some(Reason::TenantSuspended),
            ),
            (
                TenantState::Deleted,
                Some(Reason::UnknownTenant),
                Some(Reason::UnknownTenant),
            ),
        ] {
            let refused = |method| admit(state, method).err().map(|rejected| rejected.reason());
            for method in &reads {
                assert_eq!(refused(method), read, "{state:?} {method}");
            }
            for method in &writes {
                assert_eq!(refused(method), write, "{state:?} {method}");
            }
        }
    }
}
