use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use towerblock_core::BoxError;

use crate::{ResponseFuture, ShedBody};

/// Wraps services in a [`Hold`]: a [`ShedLayer`](crate::ShedLayer) or a
/// [`BulkheadLayer`](crate::BulkheadLayer) whose slots are held until the response body ends.
///
/// It shares what the layer in it shares.
#[derive(Clone, Copy, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct HoldLayer<L> {
    layer: L,
}

impl<L> HoldLayer<L> {
    pub(crate) const fn new(layer: L) -> Self {
        Self { layer }
    }
}

impl<S, L: Layer<S>> Layer<S> for HoldLayer<L> {
    type Service = Hold<L::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        let inner = self.layer.layer(inner);
        Hold { inner }
    }
}

/// A [`Shed`](crate::Shed) or a [`Bulkhead`](crate::Bulkhead) whose slots are held until the
/// response body ends.
///
/// Made by [`HoldLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Hold<S> {
    inner: S,
}

impl<S, F, B, R, E> Service<Request<B>> for Hold<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = BoxError, Future = ResponseFuture<F>>,
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body,
{
    type Response = Response<ShedBody<R>>;
    type Error = BoxError;
    type Future = HoldFuture<F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let inner = self.inner.call(req);
        HoldFuture { inner }
    }
}

pin_project! {
    /// Response future of [`Hold`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct HoldFuture<F> {
        #[pin]
        inner: ResponseFuture<F>,
    }
}

impl<F, R, E> Future for HoldFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<ShedBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.project().inner.poll_answer(cx))?;
        let body = |body| ShedBody::new(body, answer.permit);
        Poll::Ready(Ok(answer.response.map(body)))
    }
}
