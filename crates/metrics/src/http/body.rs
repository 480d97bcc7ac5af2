use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::Response;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::http::exchange::{Exchange, mark};
use crate::http::series::Failure;

pin_project! {
    /// A response body that is counted until it has ended, has failed, or is dropped.
    #[derive(Debug)]
    pub struct MeteredBody<B> {
        #[pin]
        inner: B,
        exchange: Option<Exchange>,
    }
}

impl<B: Body> MeteredBody<B> {
    #[inline]
    pub(crate) fn around(
        response: Response<B>,
        exchange: Option<Exchange>,
        now: Instant,
    ) -> Response<Self> {
        let Some(mut exchange) = exchange else {
            return response.map(|inner| Self {
                inner,
                exchange: None,
            });
        };
        // Nobody may ask for a frame of an empty body, nor of the one that HEAD leaves out.
        if exchange.is_head() || response.body().is_end_stream() {
            exchange.answer_whole(response.status(), now);
            return Self::around(response, None, now);
        }
        exchange.answer(response.status(), now, promised(&response));
        response.map(|inner| Self {
            inner,
            exchange: Some(exchange),
        })
    }
}

impl<B: Body> Body for MeteredBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        mark(this.exchange, true);
        let frame = this.inner.as_mut().poll_frame(cx);
        mark(this.exchange, false);
        let frame = ready!(frame);
        let Some(exchange) = this.exchange else {
            return Poll::Ready(frame);
        };
        if let Some(Ok(frame)) = &frame {
            exchange.sent(frame.data_ref().map_or(0, Buf::remaining));
        }
        let failed = matches!(frame, Some(Err(_)));
        if failed || frame.is_none() || this.inner.is_end_stream() {
            // Not on drop alone: a connection may keep a body that has ended.
            if let Some(exchange) = this.exchange.take() {
                over(exchange, failed);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[inline]
fn over(exchange: Exchange, failed: bool) {
    if failed {
        exchange.fail(Failure::BodyError);
    } else {
        exchange.end();
    }
}

fn promised<B: Body>(response: &Response<B>) -> Option<u64> {
    let exact = response.body().size_hint().exact();
    exact.or_else(|| {
        let length = response.headers().get(CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    })
}
