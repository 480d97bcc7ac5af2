use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use tower_service::Service;

use crate::layer::Settings;
use crate::request::Asked;

/// Lets the services below read a [`PageRequest`](crate::PageRequest).
///
/// Made by [`PageLayer`](crate::PageLayer); see the [crate docs](crate).
#[derive(Clone, Debug)]
pub struct Paged<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> Paged<S> {
    pub(crate) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B> Service<Request<B>> for Paged<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        // A nested router has cut the path; a layer around it has seen all of it.
        let outer: Option<&Asked> = req.extensions().get();
        let asked = Asked {
            settings: Arc::clone(&self.settings),
            uri: outer.map_or_else(|| req.uri().clone(), |outer| outer.uri.clone()),
        };
        req.extensions_mut().insert(asked);
        self.inner.call(req)
    }
}
