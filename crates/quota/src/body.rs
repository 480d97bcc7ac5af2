use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a service behind a limit: the inner body, or why the request was refused.
    #[derive(Debug)]
    pub struct LimitedBody<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<B> {
        Inner { #[pin] body: B },
        // Empty once it is read.
        Problem { json: Bytes },
    }
}

impl<B> LimitedBody<B> {
    pub(crate) const fn new(body: B) -> Self {
        let state = State::Inner { body };
        Self { state }
    }

    pub(crate) const fn problem(json: Bytes) -> Self {
        let state = State::Problem { json };
        Self { state }
    }
}

impl<B> Body for LimitedBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().state.project() {
            StateProj::Inner { body } => body.poll_frame(cx),
            StateProj::Problem { json } if json.is_empty() => Poll::Ready(None),
            StateProj::Problem { json } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(json))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Inner { body } => body.is_end_stream(),
            State::Problem { json } => json.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Inner { body } => body.size_hint(),
            State::Problem { json } => SizeHint::with_exact(json.len() as u64),
        }
    }
}
