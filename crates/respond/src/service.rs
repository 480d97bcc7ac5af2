use std::convert::Infallible;
use std::task::{Context, Poll, ready};

use http::Response;
use tower_service::Service;
use towerblock_core::{BoxError, ProblemBody};

use crate::ResponseFuture;

/// Answers every error of the inner service with a response.
///
/// Made by [`RespondLayer`](crate::RespondLayer); see the [crate docs](crate).
#[derive(Debug)]
pub struct Respond<S> {
    inner: S,
    /// An error from `poll_ready`, kept for the `call` that will report it.
    failed: Option<BoxError>,
}

impl<S> Respond<S> {
    pub(crate) const fn new(inner: S) -> Self {
        let failed = None;
        Self { inner, failed }
    }
}

impl<S: Clone> Clone for Respond<S> {
    fn clone(&self) -> Self {
        // The failure belongs to the instance that was polled.
        Self::new(self.inner.clone())
    }
}

impl<S, Req, B> Service<Req> for Respond<S>
where
    S: Service<Req, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<ProblemBody<B>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.failed.is_none() {
            self.failed = ready!(self.inner.poll_ready(cx)).err().map(Into::into);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Req) -> Self::Future {
        match self.failed.take() {
            Some(error) => ResponseFuture::failed(error),
            None => ResponseFuture::called(self.inner.call(req)),
        }
    }
}
