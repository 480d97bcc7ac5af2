use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

pin_project! {
    /// Response future of [`Fallback`](crate::Fallback).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct FallbackFuture<F, R> {
        #[pin]
        state: State<F, R>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F, R> {
        Called { #[pin] inner: F },
        // Taken when it is given away.
        Answered { response: Option<R> },
    }
}

impl<F, R> FallbackFuture<F, R> {
    pub(super) const fn called(inner: F) -> Self {
        let state = State::Called { inner };
        Self { state }
    }

    pub(super) const fn answered(response: R) -> Self {
        let response = Some(response);
        let state = State::Answered { response };
        Self { state }
    }
}

impl<F, R, E> Future for FallbackFuture<F, R>
where
    F: Future<Output = Result<R, E>>,
{
    type Output = Result<R, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Called { inner } => inner.poll(cx),
            // Polled again after that it never ends, as the contract allows.
            StateProj::Answered { response } => response
                .take()
                .map_or(Poll::Pending, |response| Poll::Ready(Ok(response))),
        }
    }
}
