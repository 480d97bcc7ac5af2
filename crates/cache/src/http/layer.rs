use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::Uri;
use http::uri::Authority;
use tower_layer::Layer;
use towerblock_core::TenantId;

use super::answer::Answer;
use super::route::Route;
use super::service::HttpCache;
use super::status::Label;
use super::target::UriKey;
use crate::calls::Owner;
use crate::weight::Weigh;
use crate::{HttpPolicy, Hub, InvalidCache, Invalidation};
#[cfg(feature = "postgres")]
use crate::{forget::Forget, store::Store};

/// Answers requests with what was answered before: [`Hub::http_cache`] makes one for a route, or
/// for several that have the same policy.
///
/// It stands inside of what says which tenant is asking and whether the user may, and outside of
/// compression: what is stored is encoded, and served as it is. Clones, and all services it
/// makes, share one cache. Its key is the path as the layer sees it: routers that are nested under
/// different prefixes have a layer each, and one that is nested under a prefix with parameters has
/// none inside.
///
/// ```
/// use std::time::Duration;
///
/// use axum::{Router, body::Body, routing::get};
/// use http::Request;
/// use tower::ServiceExt;
/// use towerblock_cache::{HttpPolicy, Hub, Policy, Settings};
/// use towerblock_core::TenantId;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::start(Settings::memory(64 << 20))?;
/// let policy = HttpPolicy::new(Policy::ttl(Duration::from_secs(300)));
/// let cache = hub.http_cache("plugins", policy)?;
/// let app: Router = Router::new()
///     .route("/plugins", get(|| async { "three" }))
///     .layer(cache.clone());
///
/// let acme = TenantId::new("acme")?;
/// let did = async |tenant: Option<&TenantId>| {
///     let mut req = Request::get("/plugins").body(Body::empty())?;
///     if let Some(tenant) = tenant {
///         req.extensions_mut().insert(tenant.clone());
///     }
///     let response = app.clone().oneshot(req).await?;
///     Ok::<_, Box<dyn std::error::Error>>(response.headers()["cache-status"].to_str()?.to_owned())
/// };
/// assert!(did(Some(&acme)).await?.starts_with("plugins; fwd=uri-miss; stored"));
/// assert!(did(Some(&acme)).await?.starts_with("plugins; hit"));
/// // Nobody's request is never answered from it.
/// assert_eq!(did(None).await?, "plugins; fwd=bypass; detail=no-tenant");
///
/// let _reached = cache.invalidate(&acme, &"/plugins".parse()?).await;
/// assert!(did(Some(&acme)).await?.starts_with("plugins; fwd=uri-miss"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct HttpCacheLayer {
    route: Arc<Route>,
}

impl Hub {
    /// A layer that caches the answers of a route. The name is as that of
    /// [`cache`](Self::cache); clients see it in `Cache-Status`.
    ///
    /// # Errors
    ///
    /// [`InvalidCache`] names what is wrong with the name or the lifetimes.
    pub fn http_cache(
        &self,
        name: &str,
        policy: HttpPolicy,
    ) -> Result<HttpCacheLayer, InvalidCache> {
        let scope = policy.shared.then(|| self.scope());
        let store = self.store(name, policy.lifetimes, scope.clone())?;
        store.weigh(Weigh::new(Answer::weight));
        let label = Label::new(name);
        let route = Arc::new(Route {
            store,
            scope,
            policy,
            label,
        });
        Ok(HttpCacheLayer { route })
    }
}

impl HttpCacheLayer {
    /// Forgets the answers of a URI, all its variants. On a shared route the tenant is not looked
    /// at; where the policy is [`per_authority`](HttpPolicy::per_authority) the URI has an
    /// authority.
    pub async fn invalidate(&self, tenant: &TenantId, uri: &Uri) -> Invalidation {
        match self.key(uri) {
            Some(key) => self.route.store.invalidate(self.owner(tenant), &key).await,
            // Such a URI has no stored answers.
            None => Invalidation::Everywhere,
        }
    }

    /// Forgets all answers of the tenant with this tag, and what else is the tenant's and has it
    /// in the caches of the hub. On a shared route it forgets the answers of the route.
    pub async fn invalidate_tag(&self, tenant: &TenantId, tag: &str) -> Invalidation {
        let store = &self.route.store;
        store.invalidate_tag(self.owner(tenant), tag).await
    }

    /// Forgets all that is the tenant's in the caches of the hub. On a shared route it forgets all
    /// answers of the route.
    pub async fn invalidate_all(&self, tenant: &TenantId) -> Invalidation {
        self.route.store.invalidate_all(self.owner(tenant)).await
    }

    fn key<'u>(&self, uri: &'u Uri) -> Option<UriKey<'u>> {
        let authority = uri.authority().map(Authority::as_str);
        let authority = authority.filter(|_| self.route.policy.per_authority);
        let authority = authority.unwrap_or_default().to_ascii_lowercase();
        UriKey::new(Cow::Owned(authority), uri)
    }

    /// What forgets the answers of a URI, if it may have any.
    #[cfg(feature = "postgres")]
    pub(crate) fn forget_uri(&self, tenant: &TenantId, uri: &Uri) -> Option<Forget> {
        let key = self.key(uri)?;
        Some(self.route.store.key(self.owner(tenant), &key))
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn store(&self) -> &Store<Answer> {
        &self.route.store
    }

    pub(crate) fn owner<'a>(&'a self, tenant: &'a TenantId) -> Owner<'a> {
        match &self.route.scope {
            Some(scope) => Owner::Scope(scope),
            None => Owner::Tenant(tenant),
        }
    }
}

impl<S> Layer<S> for HttpCacheLayer {
    type Service = HttpCache<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpCache::new(inner, Arc::clone(&self.route))
    }
}

impl fmt::Debug for HttpCacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCacheLayer")
            .field("policy", &self.route.policy)
            .finish_non_exhaustive()
    }
}
