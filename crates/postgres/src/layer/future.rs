use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::Settings;
use crate::Scope;
use crate::clock::unix_seconds;

pin_project! {
    /// Response future of [`WithScope`](crate::WithScope).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        scope: Scope,
        settings: Arc<Settings>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, scope: Scope, settings: Arc<Settings>) -> Self {
        Self {
            inner,
            scope,
            settings,
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        // Whatever the status: a handler that fails may have written before.
        if let Some(token) = this.scope.written() {
            this.settings
                .write(response.headers_mut(), &token, unix_seconds());
        }
        Poll::Ready(Ok(response))
    }
}
