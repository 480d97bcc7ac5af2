use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::clock::Lending;
use crate::http::exchange::{Exchange, mark};
use crate::http::layer::Fleet;
use crate::http::method::place;
use crate::{HttpMetricsFuture, MeteredBody};

/// Counts and times the requests of the inner service.
///
/// Made by [`HttpMetricsLayer`](crate::HttpMetricsLayer); see the [crate docs](crate).
#[derive(Clone)]
pub struct HttpMetrics<S> {
    inner: S,
    fleet: Arc<Fleet>,
}

impl<S> HttpMetrics<S> {
    pub(crate) const fn new(inner: S, fleet: Arc<Fleet>) -> Self {
        Self { inner, fleet }
    }
}

impl<S: fmt::Debug> fmt::Debug for HttpMetrics<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpMetrics")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for HttpMetrics<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Body,
    R: Body,
{
    type Response = Response<MeteredBody<R>>;
    type Error = S::Error;
    type Future = HttpMetricsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, req: Request<B>) -> Self::Future {
        let route = self.fleet.route_of.route(req.extensions());
        let series = self.fleet.routes.series(route, place(req.method()));
        let is_head = *req.method() == Method::HEAD;
        let mut exchange = series.map(|series| Exchange::new(Arc::clone(series), is_head));
        if let (Some(exchange), Some(bytes @ 1..)) = (&exchange, req.body().size_hint().exact()) {
            exchange.received(bytes);
        }
        mark(&mut exchange, true);
        let since = exchange.as_ref().map(Exchange::since);
        let lending = since.map(Lending::of);
        let inner = self.inner.call(req);
        drop(lending);
        mark(&mut exchange, false);
        HttpMetricsFuture::new(inner, exchange)
    }
}
