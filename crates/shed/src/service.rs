use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;
use towerblock_core::{BoxError, HasTenant};

use crate::gate::Gate;
use crate::{Classify, ResponseFuture, Unclassed};

/// Calls the inner service while there is room, shared among tenants where it is scarce.
///
/// Made by [`ShedLayer`](crate::ShedLayer); see the [crate docs](crate).
#[derive(Clone, Debug)]
pub struct Shed<S, C = Unclassed> {
    inner: S,
    gate: Arc<Gate>,
    class: C,
}

impl<S, C> Shed<S, C> {
    pub(crate) const fn new(inner: S, gate: Arc<Gate>, class: C) -> Self {
        Self { inner, gate, class }
    }
}

impl<S, C, Req> Service<Req> for Shed<S, C>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
    C: Classify<Req>,
    Req: HasTenant,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Tenant and class are unknown until `call`, so a want of room cannot show as
        // backpressure: readiness is the inner service's alone.
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let class = self.class.class_of(&req);
        match self.gate.admit(req.tenant(), class) {
            Ok(permit) => ResponseFuture::new(self.inner.call(req), permit),
            Err(rejected) => ResponseFuture::refused(rejected),
        }
    }
}
