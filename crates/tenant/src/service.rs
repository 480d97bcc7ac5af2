use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;
use towerblock_core::ProblemBody;

use crate::gate::Gate;
use crate::{ResponseFuture, TenantBody};

/// Names the tenant of each request, and answers those that have none.
///
/// Made by [`TenantLayer`](crate::TenantLayer); see the [crate docs](crate).
#[derive(Clone)]
pub struct WithTenant<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> WithTenant<S> {
    pub(crate) const fn new(inner: S, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

impl<S: fmt::Debug> fmt::Debug for WithTenant<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithTenant")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for WithTenant<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    B: Send + 'static,
{
    type Response = Response<ProblemBody<TenantBody<R>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let (parts, body) = req.into_parts();
        match self.gate.enter(&parts) {
            Ok(Ok(tenant)) => ResponseFuture::passed(&mut self.inner, tenant, parts, body),
            Ok(Err(pending)) => {
                // The service that is ready goes along; a clone need not be.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                ResponseFuture::waiting(ready, Arc::clone(&self.gate), pending, parts, body)
            }
            Err(rejected) => ResponseFuture::rejected(rejected),
        }
    }
}
