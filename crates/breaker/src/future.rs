use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use towerblock_core::{BoxError, Rejected};

use crate::permit::Pass;
use crate::{Circuit, Classify};

pin_project! {
    /// Response future of [`Breaker`](crate::Breaker).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, C> {
        #[pin]
        state: State<F, C>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F, C> {
        // The permit reports when the response is ready, or this future is dropped.
        Called { #[pin] inner: F, permit: Option<Pass<Circuit>>, classify: C },
        Refused { rejected: Rejected },
    }
}

impl<F, C> ResponseFuture<F, C> {
    pub(crate) const fn called(inner: F, permit: Pass<Circuit>, classify: C) -> Self {
        let state = State::Called {
            inner,
            permit: Some(permit),
            classify,
        };
        Self { state }
    }

    pub(crate) const fn refused(rejected: Rejected) -> Self {
        let state = State::Refused { rejected };
        Self { state }
    }
}

impl<F, C, T, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
    C: Classify<T, E>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Called {
                inner,
                permit,
                classify,
            } => {
                // On the stack, so that a panic drops it while it unwinds: a layer further out
                // may catch it.
                let mut held = permit.take();
                match inner.poll(cx) {
                    Poll::Pending => {
                        if let Some(permit) = &mut held {
                            permit.waits();
                        }
                        *permit = held;
                        Poll::Pending
                    }
                    Poll::Ready(result) => {
                        if let Some(permit) = held {
                            let verdict = classify.classify(&result);
                            permit.finish(verdict);
                        }
                        Poll::Ready(result.map_err(Into::into))
                    }
                }
            }
            StateProj::Refused { rejected } => Poll::Ready(Err((*rejected).into())),
        }
    }
}
