use std::fmt;

use http::request::Parts;
use http::{HeaderName, HeaderValue};
use towerblock_core::Rejected;

use crate::resolve::invalid;
use crate::{Claim, Named, Resolve, Trust};

/// Names the tenant by a header, which anyone can send: so it counts only where `guard`
/// says that the sender may be believed, and is ignored elsewhere.
///
/// ```
/// use http::{HeaderName, Request};
/// use towerblock_tenant::{GuardedHeader, Resolve};
///
/// // Set by the server from the accepted connection, never from the request.
/// #[derive(Clone)]
/// struct FromGateway;
///
/// let header = GuardedHeader::new(HeaderName::from_static("x-tenant-id"), |parts| {
///     parts.extensions.get::<FromGateway>().is_some()
/// });
/// let mut req = Request::get("/").header("x-tenant-id", "acme").body(())?;
/// let (parts, ()) = req.clone().into_parts();
/// assert_eq!(header.resolve(&parts)?, None);
///
/// req.extensions_mut().insert(FromGateway);
/// let (parts, ()) = req.into_parts();
/// let claim = header.resolve(&parts)?;
/// assert_eq!(claim.as_ref().map(|claim| claim.name()), Some("acme"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// Given twice, even with the same value, it is refused. Its claims are
/// [`Routed`](Trust::Routed).
#[derive(Clone)]
pub struct GuardedHeader<G> {
    name: HeaderName,
    guard: G,
}

impl<G: Fn(&Parts) -> bool> GuardedHeader<G> {
    /// Believes the header `name` where `guard` says so.
    pub const fn new(name: HeaderName, guard: G) -> Self {
        Self { name, guard }
    }
}

impl<G> Resolve for GuardedHeader<G>
where
    G: Fn(&Parts) -> bool + Send + Sync,
{
    fn resolve<'r>(&self, parts: &'r Parts) -> Named<'r> {
        if !parts.headers.contains_key(&self.name) || !(self.guard)(parts) {
            return Ok(None);
        }
        let name = only(parts, &self.name)?;
        Ok(name.map(|name| Claim::tenant(name, Trust::Routed)))
    }
}

/// The one value of a header, if it has any; two are refused, even when they are the same.
pub(super) fn only<'r>(parts: &'r Parts, name: &HeaderName) -> Result<Option<&'r str>, Rejected> {
    let mut values = parts.headers.get_all(name).iter();
    let first = values.next().map(HeaderValue::to_str).transpose();
    if values.next().is_some() {
        return Err(invalid());
    }
    first.map_err(|_| invalid())
}

impl<G> fmt::Debug for GuardedHeader<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedHeader")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
