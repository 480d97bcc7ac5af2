use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response};
use http_body::{Body, Frame};
use towerblock_core::Rejected;

use crate::{Decision, LimitedBody};

/// The answer of core's table, and which policies were violated.
pub(crate) fn response<B>(
    rejected: &Rejected,
    decision: Option<&Decision>,
) -> Response<LimitedBody<B>> {
    let (parts, mut body) = rejected.response::<Never>().into_parts();
    let mut cx = Context::from_waker(Waker::noop());
    let mut json = match Pin::new(&mut body).poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default().to_vec(),
        _ => Vec::new(),
    };
    let violated = decision.filter(|decision| !decision.outcome.refused_by.is_empty());
    if let (Some(decision), Some(b'}')) = (violated, json.last()) {
        json.pop();
        json.extend_from_slice(br#","violated-policies":["#);
        for (place, policy) in decision.violated().enumerate() {
            // A name needs no escape.
            let comma = if place > 0 { "," } else { "" };
            json.extend_from_slice(format!("{comma}\"{}\"", policy.name.as_str()).as_bytes());
        }
        json.extend_from_slice(b"]}");
    }
    let mut response = Response::from_parts(parts, LimitedBody::problem(json.into()));
    // RFC 6585, section 4: a 429 is for nobody else, and for this one it changes.
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}

/// A body that nobody has.
#[derive(Debug)]
enum Never {}

impl Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match *self {}
    }
}
