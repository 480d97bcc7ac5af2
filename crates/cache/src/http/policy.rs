use http::HeaderValue;
use http::header::HeaderName;

use crate::Policy;

/// How the answers of a route are cached, and who may be given which.
///
/// ```
/// use std::time::Duration;
///
/// use towerblock_cache::{HttpPolicy, Policy};
///
/// let lifetimes = Policy::ttl(Duration::from_secs(300)).stale_if_error(Duration::from_secs(3_600));
/// // The list of a tenant's plugins, for whoever of the tenant is signed in.
/// let plugins = HttpPolicy::new(lifetimes).same_for_all_users();
/// # drop(plugins);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a policy does nothing until a hub makes a layer with it"]
pub struct HttpPolicy {
    pub(super) lifetimes: Policy,
    pub(super) same_for_all_users: bool,
    pub(super) shared: bool,
    pub(super) per_authority: bool,
    pub(super) max_body: usize,
    pub(super) cache_control: Option<HeaderValue>,
    pub(super) tags_in: HeaderName,
}

impl HttpPolicy {
    /// Answers live as long as this says, whatever lifetime their `Cache-Control` names.
    /// [`Policy::absent_ttl`] is for how long requests for what cannot be stored do not wait for
    /// one another.
    pub const fn new(lifetimes: Policy) -> Self {
        Self {
            lifetimes,
            same_for_all_users: false,
            shared: false,
            per_authority: false,
            max_body: 256 << 10,
            cache_control: None,
            tags_in: HeaderName::from_static("surrogate-key"),
        }
    }

    /// The answer does not depend on the user, only on the tenant: so requests with
    /// `Authorization` or `Cookie` are answered from the cache, too, and whoever computes an
    /// answer that may be stored is not shown these headers. Whether the user may ask at all is
    /// to be decided outside of the cache. Default: requests with either pass by it.
    pub const fn same_for_all_users(mut self) -> Self {
        self.same_for_all_users = true;
        self
    }

    /// The answer is the same for everybody, of whichever tenant or none; this includes
    /// [`same_for_all_users`](Self::same_for_all_users). Whoever computes it is not shown a
    /// [`TenantId`](towerblock_core::TenantId). Default: each tenant has its own, and requests of
    /// none pass by the cache.
    pub const fn shared(mut self) -> Self {
        self.shared = true;
        self.same_for_all_users = true;
        self
    }

    /// The answer depends on the host that was asked for. Default: it does not, and whoever
    /// computes an answer that may be stored is not shown it.
    pub const fn per_authority(mut self) -> Self {
        self.per_authority = true;
        self
    }

    /// Longer bodies are passed on and not stored. Up to this much of each body is held while it
    /// is loaded; [`Settings::max_value_bytes`](crate::Settings::max_value_bytes) limits what is
    /// stored, too. Default: 256 KiB.
    pub const fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// What clients are told in the `Cache-Control` of a stored answer, such as
    /// `private, no-cache`; what the route says there is for this cache alone then. Default: what
    /// the route says.
    pub fn cache_control(mut self, value: HeaderValue) -> Self {
        self.cache_control = Some(value);
        self
    }

    /// The header of an answer that names its tags, separated by spaces or commas. It is never
    /// passed on. Default: `surrogate-key`.
    pub fn tags_in(mut self, header: HeaderName) -> Self {
        self.tags_in = header;
        self
    }
}
