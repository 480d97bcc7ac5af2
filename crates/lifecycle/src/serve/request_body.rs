use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use towerblock_core::BoxError;

/// The body of a request that [`Lifecycle::serve`](crate::Lifecycle::serve) receives.
#[derive(Debug)]
pub struct RequestBody(Incoming);

impl RequestBody {
    pub(crate) const fn new(incoming: Incoming) -> Self {
        Self(incoming)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let incoming = Pin::new(&mut self.0);
        incoming.poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
