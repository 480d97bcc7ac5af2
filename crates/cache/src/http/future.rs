use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use towerblock_core::ProblemBody;

use super::body::CachedBody;
use super::route::{Answered, Route};
use super::status::Forward;

pin_project! {
    /// Response future of [`HttpCache`](crate::HttpCache): ready when it is first polled, if the
    /// answer was stored.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, R, E>
    where
        R: Body,
    {
        #[pin]
        state: State<F, R, E>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R, E>
    where
        R: Body,
    {
        // Taken when it is given away.
        Ready { response: Option<Answered<R>> },
        Passed { #[pin] inner: F, route: Arc<Route>, why: Forward },
        // Boxed, for it is not what is stored: a miss, or a write.
        Boxed { answer: Pin<Box<dyn Future<Output = Result<Answered<R>, E>> + Send>> },
    }
}

impl<F, R: Body, E> ResponseFuture<F, R, E> {
    pub(super) const fn ready(response: Answered<R>) -> Self {
        let response = Some(response);
        let state = State::Ready { response };
        Self { state }
    }

    pub(super) const fn passed(inner: F, route: Arc<Route>, why: Forward) -> Self {
        let state = State::Passed { inner, route, why };
        Self { state }
    }

    pub(super) fn boxed(
        answer: impl Future<Output = Result<Answered<R>, E>> + Send + 'static,
    ) -> Self {
        let answer = Box::pin(answer);
        let state = State::Boxed { answer };
        Self { state }
    }
}

impl<F, R, E> Future for ResponseFuture<F, R, E>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ProblemBody<CachedBody<R>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            // Polled again after that it never ends, as the contract allows.
            StateProj::Ready { response } => response
                .take()
                .map_or(Poll::Pending, |response| Poll::Ready(Ok(response))),
            StateProj::Passed { inner, route, why } => {
                let response = ready!(inner.poll(cx))?.map(CachedBody::passed);
                Poll::Ready(Ok(route.passed(response, route.label.passed(*why))))
            }
            StateProj::Boxed { answer } => answer.as_mut().poll(cx),
        }
    }
}

impl<F, R: Body, E> fmt::Debug for ResponseFuture<F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Ready { .. } => "ready",
            State::Passed { .. } => "passed",
            State::Boxed { .. } => "waits",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
