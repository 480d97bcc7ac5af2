use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode};
use pin_project_lite::pin_project;
use towerblock_core::{BoxError, Rejected};

use crate::board::slot::Outcome;
use crate::board::visit::Visit;

pin_project! {
    /// Response future of [`OnTenantBoard`](crate::OnTenantBoard).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct TenantBoardFuture<F> {
        #[pin]
        inner: F,
        // Counted when the response is ready, or this future is dropped.
        visit: Visit,
    }
}

impl<F> TenantBoardFuture<F> {
    pub(crate) const fn new(inner: F, visit: Visit) -> Self {
        Self { inner, visit }
    }
}

impl<F, R, E> Future for TenantBoardFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: 'static,
{
    type Output = Result<Response<R>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.visit.running(true);
        let result = this.inner.poll(cx);
        this.visit.running(false);
        let result = ready!(result);
        this.visit.end(match &result {
            Ok(response) => of_response(response),
            Err(error) => of_error(error),
        });
        Poll::Ready(result)
    }
}

#[inline]
fn of_response<R>(response: &Response<R>) -> Outcome {
    let status = response.status();
    if status.is_success() {
        return Outcome::Served;
    }
    match response.extensions().get() {
        Some(rejected) => Outcome::Refused(Some(Rejected::reason(rejected))),
        None if status == StatusCode::TOO_MANY_REQUESTS => Outcome::Refused(None),
        None if status.is_server_error() => Outcome::Failed,
        None => Outcome::Served,
    }
}

/// A layer that knows nothing of HTTP refuses with an error, boxed or not.
fn of_error<E: 'static>(error: &E) -> Outcome {
    let error: &dyn Any = error;
    let boxed = || error.downcast_ref::<BoxError>()?.downcast_ref();
    let rejected: Option<&Rejected> = error.downcast_ref().or_else(boxed);
    rejected.map_or(Outcome::Failed, |rejected| {
        Outcome::Refused(Some(rejected.reason()))
    })
}
