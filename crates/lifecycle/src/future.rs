use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use towerblock_core::{ProblemBody, Rejected};

use crate::{Hold, InFlightBody};

pin_project! {
    /// Response future of [`InFlight`](crate::InFlight).
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
        // The hold goes along with the response, or ends when this future is dropped.
        InFlight { #[pin] inner: F, hold: Option<Hold> },
        Refused { rejected: Rejected },
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) const fn new(inner: F, hold: Hold) -> Self {
        let hold = Some(hold);
        let state = State::InFlight { inner, hold };
        Self { state }
    }

    pub(crate) const fn refused(rejected: Rejected) -> Self {
        let state = State::Refused { rejected };
        Self { state }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ProblemBody<InFlightBody<R>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::InFlight { inner, hold } => {
                let result = ready!(inner.poll(cx));
                // Not on drop alone: `join_all` keeps finished futures for long.
                let hold = hold.take();
                let body = |body| ProblemBody::new(InFlightBody::new(body, hold));
                Poll::Ready(result.map(|response| response.map(body)))
            }
            StateProj::Refused { rejected } => Poll::Ready(Ok(rejected.response())),
        }
    }
}
