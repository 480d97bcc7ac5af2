use tower_layer::Layer;

use crate::Respond;

/// Ends a stack of layers that can fail, so that `axum::Router::layer` takes it.
///
/// A [`Rejected`](towerblock_core::Rejected) is answered as it asks; any other error is
/// logged and answered with status 500.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct RespondLayer;

impl RespondLayer {
    /// Answers every error.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for RespondLayer {
    type Service = Respond<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Respond::new(inner)
    }
}
