use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use towerblock_core::Rejected;

use crate::{Decision, Headers, LimitedBody, refusal};

pin_project! {
    /// Response future of [`RateLimit`](crate::RateLimit).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
        told: Option<(Decision, Headers)>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F> {
        Passed { #[pin] inner: F },
        Refused { rejected: Rejected },
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) const fn passed(inner: F, told: Option<(Decision, Headers)>) -> Self {
        let state = State::Passed { inner };
        Self { state, told }
    }

    pub(crate) const fn refused(rejected: Rejected, told: Option<(Decision, Headers)>) -> Self {
        let state = State::Refused { rejected };
        Self { state, told }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<LimitedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.state.project() {
            StateProj::Passed { inner } => ready!(inner.poll(cx))?.map(LimitedBody::new),
            StateProj::Refused { rejected } => {
                refusal::response(rejected, this.told.as_ref().map(|(decision, _)| decision))
            }
        };
        if let Some((decision, headers)) = this.told {
            headers.write(decision, response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}
