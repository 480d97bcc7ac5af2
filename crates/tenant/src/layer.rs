use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use crate::{Registry, Resolve, WithTenant};

/// Wraps services in a [`WithTenant`].
///
/// Clones of the layer, and all services it makes, share one registry.
#[derive(Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct TenantLayer {
    resolvers: Arc<[Arc<dyn Resolve>]>,
    registry: Arc<Registry>,
}

impl TenantLayer {
    /// Looks tenants up in `registry`. Without a [`resolver`](Self::resolver) no request
    /// names one, and all are refused.
    pub fn new(registry: impl Into<Arc<Registry>>) -> Self {
        let registry = registry.into();
        let resolvers = Arc::default();
        Self {
            resolvers,
            registry,
        }
    }

    /// Adds a place where a request may name its tenant. When several do, they must
    /// agree. Default: none.
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        let added: Arc<dyn Resolve> = Arc::new(resolver);
        self.resolvers = self.resolvers.iter().cloned().chain([added]).collect();
        self
    }
}

impl fmt::Debug for TenantLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantLayer")
            .field("resolvers", &self.resolvers.len())
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for TenantLayer {
    type Service = WithTenant<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithTenant::new(
            inner,
            Arc::clone(&self.resolvers),
            Arc::clone(&self.registry),
        )
    }
}
