use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use crate::gate::Gate;
use crate::{Authorize, Registry, Resolve, WithTenant};

/// Wraps services in a [`WithTenant`].
///
/// Clones of the layer, and all services it makes, share one registry.
#[derive(Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct TenantLayer {
    gate: Arc<Gate>,
}

impl TenantLayer {
    /// Looks tenants up in `registry`. Without a [`resolver`](Self::resolver) no request
    /// names one, and all are refused.
    pub fn new(registry: impl Into<Arc<Registry>>) -> Self {
        let gate = Arc::new(Gate {
            resolvers: Vec::new(),
            registry: registry.into(),
            authorize: None,
        });
        Self { gate }
    }

    /// Adds a place where a request may name its tenant. When several do, they must
    /// agree. Default: none.
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        Arc::make_mut(&mut self.gate)
            .resolvers
            .push(Arc::new(resolver));
        self
    }

    /// Asks for each request whether its sender may act for the tenant. Default: whoever
    /// names a tenant in a place that can be relied on, may.
    pub fn authorize(mut self, authorize: impl Authorize + 'static) -> Self {
        Arc::make_mut(&mut self.gate).authorize = Some(Arc::new(authorize));
        self
    }
}

impl fmt::Debug for TenantLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantLayer")
            .field("resolvers", &self.gate.resolvers.len())
            .field("registry", &self.gate.registry)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for TenantLayer {
    type Service = WithTenant<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithTenant::new(inner, Arc::clone(&self.gate))
    }
}
