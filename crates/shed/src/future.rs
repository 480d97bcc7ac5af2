use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use towerblock_core::{BoxError, Rejected};

use crate::permit::Permit;

pin_project! {
    /// Response future of [`Shed`](crate::Shed) and [`Bulkhead`](crate::Bulkhead).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F> {
        // The permit is given back when the response is ready, or this future is dropped.
        Admitted { #[pin] inner: F, permit: Option<Permit> },
        Refused { rejected: Rejected },
    }
}

/// A response, and the permit, which may be held for longer.
pub(crate) struct Answer<T> {
    pub(crate) response: T,
    pub(crate) permit: Option<Permit>,
}

impl<F> ResponseFuture<F> {
    pub(crate) const fn new(inner: F, permit: Permit) -> Self {
        let state = State::Admitted {
            inner,
            permit: Some(permit),
        };
        Self { state }
    }

    pub(crate) const fn refused(rejected: Rejected) -> Self {
        let state = State::Refused { rejected };
        Self { state }
    }
}

impl<F, T, E> ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    pub(crate) fn poll_answer(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Answer<T>, BoxError>> {
        match self.project().state.project() {
            StateProj::Admitted { inner, permit } => {
                let result = ready!(inner.poll(cx));
                // Not on drop alone: `join_all` keeps finished futures for long.
                let mut permit = permit.take();
                if let Some(permit) = &mut permit {
                    permit.answered(result.is_ok());
                }
                let response = result.map_err(Into::into)?;
                Poll::Ready(Ok(Answer { response, permit }))
            }
            StateProj::Refused { rejected } => Poll::Ready(Err((*rejected).into())),
        }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.poll_answer(cx))?;
        Poll::Ready(Ok(answer.response))
    }
}
