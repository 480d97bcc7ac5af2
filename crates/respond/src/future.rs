use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderName, HeaderValue, Response};
use pin_project_lite::pin_project;
use towerblock_core::{BoxError, Degraded, ProblemBody};

use crate::answer::answer;

pin_project! {
    /// Response future of [`Respond`](crate::Respond).
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
        Called { #[pin] inner: F },
        Failed { error: BoxError },
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) const fn called(inner: F) -> Self {
        let state = State::Called { inner };
        Self { state }
    }

    pub(crate) const fn failed(error: BoxError) -> Self {
        let state = State::Failed { error };
        Self { state }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<ProblemBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match self.project().state.project() {
            StateProj::Called { inner } => match ready!(inner.poll(cx)) {
                Ok(mut response) => {
                    tell_degraded(&mut response);
                    response.map(ProblemBody::new)
                }
                Err(error) => answer(&*error.into()),
            },
            StateProj::Failed { error } => answer(&**error),
        }))
    }
}

/// A client should know that it was not given what there would be.
fn tell_degraded<B>(response: &mut Response<B>) {
    const DEGRADED: HeaderName = HeaderName::from_static("x-degraded");
    let degraded = response.extensions().get().copied();
    let reason = degraded.and_then(|it: Degraded| HeaderValue::from_str(it.reason()).ok());
    if let Some(reason) = reason {
        response.headers_mut().insert(DEGRADED, reason);
    }
}
