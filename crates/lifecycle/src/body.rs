use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::Hold;

pin_project! {
    /// A response body that is in flight until it has ended, has failed, or is dropped.
    #[derive(Debug)]
    pub struct InFlightBody<B> {
        #[pin]
        inner: B,
        hold: Option<Hold>,
    }
}

impl<B: Body> InFlightBody<B> {
    pub(crate) fn new(inner: B, hold: Option<Hold>) -> Self {
        // Of an empty body nobody may ask for a frame.
        let hold = hold.filter(|_| !inner.is_end_stream());
        Self { inner, hold }
    }
}

impl<B: Body> Body for InFlightBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        // Not on drop alone: a connection may keep a body that has ended.
        if !matches!(frame, Some(Ok(_))) || this.inner.is_end_stream() {
            *this.hold = None;
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
