use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::Tenant;
use crate::context::within;

pin_project! {
    /// A response body that is made for one tenant: a stream that a handler returned still
    /// runs in the scope of its request, and ends in it.
    #[derive(Debug)]
    pub struct TenantBody<B> {
        // Empty once it is dropped.
        #[pin]
        inner: Option<B>,
        tenant: Option<Arc<Tenant>>,
    }

    impl<B> PinnedDrop for TenantBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            within(this.tenant.take(), || this.inner.set(None));
        }
    }
}

impl<B> TenantBody<B> {
    pub(crate) const fn new(inner: B, tenant: Option<Arc<Tenant>>) -> Self {
        let inner = Some(inner);
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
        let Some(inner) = this.inner.as_pin_mut() else {
            return Poll::Ready(None);
        };
        within(this.tenant.clone(), || inner.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.inner.as_ref();
        inner.map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
