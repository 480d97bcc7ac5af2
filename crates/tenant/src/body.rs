use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::Tenant;
use crate::context::within;

pin_project! {
    /// A response body that is made for one tenant: a stream that a handler returned still
    /// runs in the scope of its request.
    #[derive(Debug)]
    pub struct TenantBody<B> {
        #[pin]
        inner: B,
        tenant: Arc<Tenant>,
    }
}

impl<B> TenantBody<B> {
    pub(crate) const fn new(inner: B, tenant: Arc<Tenant>) -> Self {
        Self { inner, tenant }
    }
}

impl<B: Body> Body for TenantBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        within(Some(Arc::clone(this.tenant)), || this.inner.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
