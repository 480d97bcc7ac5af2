use tower_layer::Layer;

use crate::{OnTenantBoard, TenantBoard};

/// Wraps services in an [`OnTenantBoard`].
///
/// Clones of the layer, and all services it makes, count on one board.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct TenantBoardLayer {
    board: TenantBoard,
}

impl TenantBoardLayer {
    /// Counts on this board.
    pub const fn new(board: TenantBoard) -> Self {
        Self { board }
    }
}

impl<S> Layer<S> for TenantBoardLayer {
    type Service = OnTenantBoard<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OnTenantBoard::new(inner, self.board.clone())
    }
}
