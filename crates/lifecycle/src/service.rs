use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;
use towerblock_core::{ProblemBody, Reason, Rejected};

use crate::{InFlightBody, Lifecycle, ResponseFuture};

/// Counts requests in flight, and answers those that come after the grace is over.
///
/// Made by [`InFlightLayer`](crate::InFlightLayer). A clone counts for the same lifecycle.
#[derive(Clone, Debug)]
pub struct InFlight<S> {
    inner: S,
    lifecycle: Lifecycle,
}

impl<S> InFlight<S> {
    pub(crate) const fn new(inner: S, lifecycle: Lifecycle) -> Self {
        Self { inner, lifecycle }
    }
}

impl<S, B, R> Service<Request<B>> for InFlight<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<ProblemBody<InFlightBody<R>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        // What came in while closing is served: it may be half sent since before.
        if self.lifecycle.finishes() {
            return ResponseFuture::refused(Rejected::new("lifecycle", Reason::Draining));
        }
        let hold = self.lifecycle.hold();
        ResponseFuture::new(self.inner.call(req), hold)
    }
}
