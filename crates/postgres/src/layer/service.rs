use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::Settings;
use crate::{ResponseFuture, Scope};

/// Gives each request a [`Scope`], and its client the token of what it wrote.
///
/// Made by [`ClusterLayer`](crate::ClusterLayer). Clones share its settings.
#[derive(Clone, Debug)]
pub struct WithScope<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> WithScope<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, R> Service<Request<B>> for WithScope<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let sent = self.settings.read(req.headers());
        let scope = Scope::begin(self.settings.time_limit, sent);
        req.extensions_mut().insert(scope.clone());
        ResponseFuture::new(self.inner.call(req), scope, Arc::clone(&self.settings))
    }
}
