use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::MeteredBody;
use crate::clock::Lending;
use crate::http::exchange::{Exchange, mark};
use crate::http::series::Failure;

pin_project! {
    /// Response future of [`HttpMetrics`](crate::HttpMetrics).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct HttpMetricsFuture<F> {
        #[pin]
        inner: F,
        // Counted when this future is dropped, unless the body takes it along.
        exchange: Option<Exchange>,
    }
}

impl<F> HttpMetricsFuture<F> {
    pub(crate) const fn new(inner: F, exchange: Option<Exchange>) -> Self {
        Self { inner, exchange }
    }
}

impl<F, R, E> Future for HttpMetricsFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<MeteredBody<R>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        mark(this.exchange, true);
        let lending = Lending::open();
        let answer = this.inner.poll(cx);
        let left = Lending::close(lending);
        mark(this.exchange, false);
        let answer = ready!(answer);
        let exchange = this.exchange.take();
        match answer {
            Ok(response) => {
                let now = left.unwrap_or_else(Instant::now);
                let response = MeteredBody::around(response, exchange, now);
                Poll::Ready(Ok(response))
            }
            Err(error) => {
                if let Some(exchange) = exchange {
                    exchange.fail(Failure::Error);
                }
                Poll::Ready(Err(error))
            }
        }
    }
}
