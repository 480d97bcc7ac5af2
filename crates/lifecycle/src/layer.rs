use tower_layer::Layer;

use crate::{InFlight, Lifecycle};

/// Wraps services in an [`InFlight`].
///
/// Clones of the layer, and all services it makes, count for the same [`Lifecycle`].
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct InFlightLayer {
    lifecycle: Lifecycle,
}

impl InFlightLayer {
    /// Counts each request, from its call to the end of its response body.
    pub fn new(lifecycle: &Lifecycle) -> Self {
        let lifecycle = lifecycle.clone();
        Self { lifecycle }
    }
}

impl<S> Layer<S> for InFlightLayer {
    type Service = InFlight<S>;

    fn layer(&self, inner: S) -> Self::Service {
        InFlight::new(inner, self.lifecycle.clone())
    }
}
