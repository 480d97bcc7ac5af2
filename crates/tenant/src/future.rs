use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use pin_project_lite::pin_project;
use towerblock_core::{ProblemBody, Rejected};

pin_project! {
    /// Response future of [`WithTenant`](crate::WithTenant).
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
        Passed { #[pin] inner: F },
        Rejected { rejected: Rejected },
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) const fn passed(inner: F) -> Self {
        let state = State::Passed { inner };
        Self { state }
    }

    pub(crate) const fn rejected(rejected: Rejected) -> Self {
        let state = State::Rejected { rejected };
        Self { state }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ProblemBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Passed { inner } => inner.poll(cx).map_ok(|res| res.map(ProblemBody::new)),
            StateProj::Rejected { rejected } => Poll::Ready(Ok(rejected.response())),
        }
    }
}
