use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of an answer that was stored, or of one that was passed on.
    pub struct CachedBody<B>
    where
        B: Body,
    {
        #[pin]
        state: State<B, B::Error>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<B, E> {
        // Empty once it is read.
        Stored { bytes: Bytes },
        Passed { #[pin] body: B },
        // Boxed, for it was read before it was known that it is not for storing.
        Begun { begun: Begun<B, E> },
    }
}

/// A body of which something was read.
#[derive(Debug)]
pub(super) struct Begun<B, E> {
    pub(super) read: VecDeque<Frame<Bytes>>,
    /// How it failed after that, if it did.
    pub(super) failed: Option<E>,
    pub(super) rest: Option<Pin<Box<B>>>,
}

impl<B: Body> CachedBody<B> {
    pub(super) const fn stored(bytes: Bytes) -> Self {
        let state = State::Stored { bytes };
        Self { state }
    }

    pub(super) const fn passed(body: B) -> Self {
        let state = State::Passed { body };
        Self { state }
    }

    pub(super) const fn begun(begun: Begun<B, B::Error>) -> Self {
        let state = State::Begun { begun };
        Self { state }
    }
}

impl<B: Body<Data = Bytes>> Body for CachedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().state.project() {
            StateProj::Stored { bytes } if bytes.is_empty() => Poll::Ready(None),
            StateProj::Stored { bytes } => Poll::Ready(Some(Ok(Frame::data(mem::take(bytes))))),
            StateProj::Passed { body } => body.poll_frame(cx),
            StateProj::Begun { begun } => {
                if let Some(frame) = begun.read.pop_front() {
                    return Poll::Ready(Some(Ok(frame)));
                }
                if let Some(error) = begun.failed.take() {
                    return Poll::Ready(Some(Err(error)));
                }
                match &mut begun.rest {
                    Some(rest) => rest.as_mut().poll_frame(cx),
                    None => Poll::Ready(None),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Stored { bytes } => bytes.is_empty(),
            State::Passed { body } => body.is_end_stream(),
            State::Begun { begun } => {
                let rest = begun.rest.as_ref();
                begun.read.is_empty()
                    && begun.failed.is_none()
                    && rest.is_none_or(Body::is_end_stream)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Stored { bytes } => SizeHint::with_exact(bytes.len() as u64),
            State::Passed { body } => body.size_hint(),
            State::Begun { begun } => {
                let read = begun.read.iter().filter_map(Frame::data_ref);
                let read: usize = read.map(Bytes::len).sum();
                let rest = begun.rest.as_ref().map(Body::size_hint);
                let rest = rest.unwrap_or_default();
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(read as u64));
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper.saturating_add(read as u64));
                }
                hint
            }
        }
    }
}

impl<B: Body> fmt::Debug for CachedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Stored { .. } => "stored",
            State::Passed { .. } | State::Begun { .. } => "passed",
        };
        f.debug_tuple("CachedBody").field(&state).finish()
    }
}
