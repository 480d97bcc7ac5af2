use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;
use towerblock_core::ProblemBody;

use super::body::CachedBody;
use super::fetch::fetch;
use super::future::ResponseFuture;
use super::loader::{Cell, refresh};
use super::route::{Route, Step};
use super::write::write;

/// Answers requests from a cache, or by the service it wraps.
///
/// Made by [`HttpCacheLayer`](crate::HttpCacheLayer).
#[derive(Clone)]
pub struct HttpCache<S> {
    inner: S,
    route: Arc<Route>,
}

impl<S> HttpCache<S> {
    pub(super) const fn new(inner: S, route: Arc<Route>) -> Self {
        Self { inner, route }
    }
}

impl<S: Clone> HttpCache<S> {
    /// The service that is ready goes along; a clone need not be.
    fn take(&mut self) -> S {
        let clone = self.inner.clone();
        mem::replace(&mut self.inner, clone)
    }
}

impl<S, B, R> Service<Request<B>> for HttpCache<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: Body + Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Send,
{
    type Response = Response<ProblemBody<CachedBody<R>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        match self.route.step(&req) {
            Step::Answer(response) => ResponseFuture::ready(response),
            Step::Pass(why) => {
                ResponseFuture::passed(self.inner.call(req), Arc::clone(&self.route), why)
            }
            Step::Fetch(target) => {
                let route = Arc::clone(&self.route);
                ResponseFuture::boxed(fetch(route, self.take(), req, target))
            }
            Step::Refresh(response, target) => {
                let cell = Cell::new(self.take(), req);
                refresh(&self.route, cell, target);
                ResponseFuture::ready(response)
            }
            Step::Write(written) => ResponseFuture::boxed(write(
                Arc::clone(&self.route),
                self.inner.call(req),
                written,
            )),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for HttpCache<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCache")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
