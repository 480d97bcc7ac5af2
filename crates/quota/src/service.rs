use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::gate::{Answer, Gate};
use crate::{Headers, Identify, LimitedBody, ResponseFuture};

/// Lets requests through as their tenants' plans allow, and answers the others.
///
/// Made by [`RateLimitLayer`](crate::RateLimitLayer); see the [crate docs](crate).
#[derive(Debug)]
pub struct RateLimit<S, I> {
    inner: S,
    gate: Arc<Gate<I>>,
    headers: Headers,
}

impl<S, I> RateLimit<S, I> {
    pub(crate) const fn new(inner: S, gate: Arc<Gate<I>>, headers: Headers) -> Self {
        Self {
            inner,
            gate,
            headers,
        }
    }
}

// Not derived: what identifies is shared, and need not be cloned.
impl<S: Clone, I> Clone for RateLimit<S, I> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.gate), self.headers)
    }
}

impl<S, I, B, R> Service<Request<B>> for RateLimit<S, I>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    I: Identify<Request<B>>,
{
    type Response = Response<LimitedBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        match self.gate.enter(&mut req, self.headers) {
            Ok(Answer::Pass(told)) => ResponseFuture::passed(self.inner.call(req), told),
            Ok(Answer::Refuse(rejected, told)) => ResponseFuture::refused(rejected, told),
            Err(deciding) => {
                // The service that is ready goes along; a clone need not be.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                ResponseFuture::waiting(deciding, ready, req, self.headers)
            }
        }
    }
}
