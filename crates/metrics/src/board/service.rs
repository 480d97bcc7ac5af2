use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;
use towerblock_core::HasTenant as _;

use crate::{TenantBoard, TenantBoardFuture};

/// Counts and times each request for its tenant.
///
/// Made by [`TenantBoardLayer`](crate::TenantBoardLayer); see the [crate docs](crate).
#[derive(Clone, Debug)]
pub struct OnTenantBoard<S> {
    inner: S,
    board: TenantBoard,
}

impl<S> OnTenantBoard<S> {
    pub(crate) const fn new(inner: S, board: TenantBoard) -> Self {
        Self { inner, board }
    }
}

impl<S, B, R> Service<Request<B>> for OnTenantBoard<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TenantBoardFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, req: Request<B>) -> Self::Future {
        let mut visit = self.board.visit(req.tenant());
        visit.running(true);
        let inner = self.inner.call(req);
        visit.running(false);
        TenantBoardFuture::new(inner, visit)
    }
}
