use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;
use towerblock_core::ProblemBody;

use crate::{Registry, Resolve, ResponseFuture, resolve::identify};

/// Names the tenant of each request, and answers those that have none.
///
/// Made by [`TenantLayer`](crate::TenantLayer); see the [crate docs](crate).
#[derive(Clone)]
pub struct WithTenant<S> {
    inner: S,
    resolvers: Arc<[Arc<dyn Resolve>]>,
    registry: Arc<Registry>,
}

impl<S> WithTenant<S> {
    pub(crate) const fn new(
        inner: S,
        resolvers: Arc<[Arc<dyn Resolve>]>,
        registry: Arc<Registry>,
    ) -> Self {
        Self {
            inner,
            resolvers,
            registry,
        }
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
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ProblemBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let (mut parts, body) = req.into_parts();
        match identify(&self.resolvers, &self.registry, &parts) {
            Ok(tenant) => {
                parts.extensions.insert(tenant.id.clone());
                parts.extensions.insert(tenant);
                ResponseFuture::passed(self.inner.call(Request::from_parts(parts, body)))
            }
            Err(rejected) => ResponseFuture::rejected(rejected),
        }
    }
}
