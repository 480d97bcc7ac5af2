use tower_layer::Layer;

use crate::{Breaker, Circuit, Errors};

/// Wraps services in a [`Breaker`].
///
/// The state is the circuit's: clones of the layer, and all services it makes, share it.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct BreakerLayer<C = Errors> {
    circuit: Circuit,
    classify: C,
}

impl BreakerLayer {
    /// Asks this circuit before each call.
    pub const fn new(circuit: Circuit) -> Self {
        let classify = Errors;
        Self { circuit, classify }
    }
}

impl<C> BreakerLayer<C> {
    /// Judges outcomes by this. Default: [`Errors`].
    pub fn classify<D>(self, classify: D) -> BreakerLayer<D> {
        let circuit = self.circuit;
        BreakerLayer { circuit, classify }
    }
}

impl<S, C: Clone> Layer<S> for BreakerLayer<C> {
    type Service = Breaker<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Breaker::new(inner, self.circuit.clone(), self.classify.clone())
    }
}
