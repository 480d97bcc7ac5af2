//! The one rendering of a refusal: `application/problem+json` (RFC 9457).

use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{Reason, Rejected};

impl Rejected {
    /// The answer a client gets: it learns why and when to retry, never
    /// [`by`](Self::by) whom it was refused. That stands in the response's extensions, as
    /// a [`Rejected`], for the layers further out.
    #[must_use]
    pub fn response<B>(&self) -> Response<ProblemBody<B>> {
        let (.., detail) = explain(self.reason());
        self.response_with(detail)
    }

    /// The same answer, with a `detail` that names what was wrong with this request.
    #[must_use]
    pub fn response_with<B>(&self, detail: &str) -> Response<ProblemBody<B>> {
        let (status, kind, title, _) = explain(self.reason());
        let mut response = ProblemBody::response(status, kind, title, detail);
        let headers = response.headers_mut();
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, whole_secs(self.retry_after()).into());
            }
            // A tenant that is created a moment later must not stay missing.
            StatusCode::NOT_FOUND => {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            _ => {}
        }
        response.extensions_mut().insert(*self);
        response
    }
}

/// Rounded up, so that nobody comes back too early, and at least 1.
fn whole_secs(wait: Option<Duration>) -> u64 {
    let wait = wait.unwrap_or_default();
    let started = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(started).max(1)
}

const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const REDUCED_CAPACITY: &str =
    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";

/// Status, `type`, `title` and the usual `detail`. The two types of the IANA registry
/// are those of draft-ietf-httpapi-ratelimit-headers.
const fn explain(reason: Reason) -> (StatusCode, &'static str, &'static str, &'static str) {
    const BAD_REQUEST: StatusCode = StatusCode::BAD_REQUEST;
    const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
    const NOT_FOUND: StatusCode = StatusCode::NOT_FOUND;
    const TOO_MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;
    const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    #[rustfmt::skip]
    let row = match reason {
        Reason::UnknownTenant => (NOT_FOUND, "urn:towerblock:unknown-tenant", "Not Found", "no such tenant"),
        Reason::InvalidTenant => (BAD_REQUEST, "urn:towerblock:invalid-tenant", "Bad Request", "the tenant is malformed, given twice, or two sources disagree"),
        Reason::InvalidCursor => (BAD_REQUEST, "urn:towerblock:invalid-cursor", "Bad Request", "the cursor is not valid here"),
        Reason::InvalidParameter => (BAD_REQUEST, "urn:towerblock:invalid-parameter", "Bad Request", "a parameter is not valid"),
        Reason::TenantSuspended => (FORBIDDEN, "urn:towerblock:tenant-suspended", "Forbidden", "the tenant is suspended"),
        Reason::TenantReadOnly => (FORBIDDEN, "urn:towerblock:tenant-read-only", "Forbidden", "the tenant is read-only"),
        Reason::StockQuota => (FORBIDDEN, "urn:towerblock:stock-quota", "Forbidden", "the plan allows no more of these"),
        Reason::CostAboveBurst => (FORBIDDEN, "urn:towerblock:cost-above-burst", "Forbidden", "the request asks for more than the limit ever allows"),
        Reason::OverShare => (TOO_MANY, "urn:towerblock:over-share", "Too Many Requests", "too many requests at once"),
        Reason::RateLimited => (TOO_MANY, QUOTA_EXCEEDED, "Quota Exceeded", "too many requests in a short time"),
        Reason::PeriodQuota => (TOO_MANY, QUOTA_EXCEEDED, "Quota Exceeded", "the quota of this period is used up"),
        Reason::Overloaded => (UNAVAILABLE, REDUCED_CAPACITY, "Temporary Reduced Capacity", "the server is busy, please try again later"),
        Reason::CircuitOpen | Reason::Unavailable => (UNAVAILABLE, "urn:towerblock:unavailable", "Service Unavailable", "please try again later"),
        Reason::Draining => (UNAVAILABLE, "urn:towerblock:draining", "Service Unavailable", "this instance is shutting down, please try again"),
        Reason::TenantMoving => (UNAVAILABLE, "urn:towerblock:tenant-moving", "Service Unavailable", "the tenant is being moved, please try again later"),
    };
    row
}

pin_project! {
    /// The body of a service that may have refused: the inner body, or a problem.
    #[derive(Debug)]
    pub struct ProblemBody<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<B> {
        Inner { #[pin] body: B },
        // Empty once it is read.
        Problem { json: Bytes },
    }
}

impl<B> ProblemBody<B> {
    /// Passes `body` through unchanged.
    pub const fn new(body: B) -> Self {
        let state = State::Inner { body };
        Self { state }
    }

    /// The answer to an error that is no [`Rejected`]: status 500, and not a word of it.
    #[must_use]
    pub fn internal_error() -> Response<Self> {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::about(status, "something went wrong on our side")
    }

    /// An answer in the same form for a case of the application's own, such as a 409:
    /// `type` is `about:blank`, `title` the phrase of the status.
    #[must_use]
    pub fn about(status: StatusCode, detail: &str) -> Response<Self> {
        let title = status.canonical_reason().unwrap_or_default();
        Self::response(status, "about:blank", title, detail)
    }

    fn response(status: StatusCode, kind: &str, title: &str, detail: &str) -> Response<Self> {
        let code = status.as_u16();
        let mut json = format!(r#"{{"type":"{kind}","title":"{title}","status":{code},"detail":""#);
        escape(detail, &mut json);
        json.push_str(r#""}"#);
        let state = State::Problem { json: json.into() };
        let mut response = Response::new(Self { state });
        *response.status_mut() = status;
        let problem_json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, problem_json);
        response
    }
}

/// Appends `text` as the inside of a JSON string (RFC 8259, section 7).
fn escape(text: &str, json: &mut String) {
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\0'..='\x1f' => {
                // Writing into a `String` cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            _ => json.push(c),
        }
    }
}

impl<B> Body for ProblemBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().state.project() {
            StateProj::Inner { body } => body.poll_frame(cx),
            StateProj::Problem { json } if json.is_empty() => Poll::Ready(None),
            StateProj::Problem { json } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(json))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Inner { body } => body.is_end_stream(),
            State::Problem { json } => json.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Inner { body } => body.size_hint(),
            State::Problem { json } => SizeHint::with_exact(json.len() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use http::{Response, StatusCode};
    use http_body::Body;
    use proptest::prelude::{any, proptest};

    use super::{ProblemBody, escape, whole_secs};
    use crate::{Reason, Rejected};

    /// The table of refusals, byte for byte: status, `Retry-After` when the layer says
    /// 1.9 s, and the body.
    #[rustfmt::skip]
    const TABLE: [(Reason, u16, Option<&str>, &str); 16] = [
        (Reason::UnknownTenant, 404, None, r#"{"type":"urn:towerblock:unknown-tenant","title":"Not Found","status":404,"detail":"no such tenant"}"#),
        (Reason::InvalidTenant, 400, None, r#"{"type":"urn:towerblock:invalid-tenant","title":"Bad Request","status":400,"detail":"the tenant is malformed, given twice, or two sources disagree"}"#),
        (Reason::InvalidCursor, 400, None, r#"{"type":"urn:towerblock:invalid-cursor","title":"Bad Request","status":400,"detail":"the cursor is not valid here"}"#),
        (Reason::InvalidParameter, 400, None, r#"{"type":"urn:towerblock:invalid-parameter","title":"Bad Request","status":400,"detail":"a parameter is not valid"}"#),
        (Reason::TenantSuspended, 403, None, r#"{"type":"urn:towerblock:tenant-suspended","title":"Forbidden","status":403,"detail":"the tenant is suspended"}"#),
        (Reason::TenantReadOnly, 403, None, r#"{"type":"urn:towerblock:tenant-read-only","title":"Forbidden","status":403,"detail":"the tenant is read-only"}"#),
        (Reason::OverShare, 429, Some("2"), r#"{"type":"urn:towerblock:over-share","title":"Too Many Requests","status":429,"detail":"too many requests at once"}"#),
        (Reason::RateLimited, 429, Some("2"), r#"{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Quota Exceeded","status":429,"detail":"too many requests in a short time"}"#),
        (Reason::PeriodQuota, 429, Some("2"), r#"{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Quota Exceeded","status":429,"detail":"the quota of this period is used up"}"#),
        (Reason::StockQuota, 403, None, r#"{"type":"urn:towerblock:stock-quota","title":"Forbidden","status":403,"detail":"the plan allows no more of these"}"#),
        (Reason::CostAboveBurst, 403, None, r#"{"type":"urn:towerblock:cost-above-burst","title":"Forbidden","status":403,"detail":"the request asks for more than the limit ever allows"}"#),
        (Reason::CircuitOpen, 503, Some("2"), r#"{"type":"urn:towerblock:unavailable","title":"Service Unavailable","status":503,"detail":"please try again later"}"#),
        (Reason::Draining, 503, Some("2"), r#"{"type":"urn:towerblock:draining","title":"Service Unavailable","status":503,"detail":"this instance is shutting down, please try again"}"#),
        (Reason::TenantMoving, 503, Some("2"), r#"{"type":"urn:towerblock:tenant-moving","title":"Service Unavailable","status":503,"detail":"the tenant is being moved, please try again later"}"#),
        (Reason::Unavailable, 503, Some("2"), r#"{"type":"urn:towerblock:unavailable","title":"Service Unavailable","status":503,"detail":"please try again later"}"#),
        (Reason::Overloaded, 503, Some("2"), r#"{"type":"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity","title":"Temporary Reduced Capacity","status":503,"detail":"the server is busy, please try again later"}"#),
    ];

    #[test]
    fn each_reason_is_answered_by_its_row_of_the_table() {
        for (reason, status, retry_after, body) in TABLE {
            let rejected = Rejected::new("test", reason);
            let mut response = rejected
                .with_retry_after(Duration::from_millis(1_900))
                .response();
            assert_eq!(response.status(), status, "{reason}");
            let refused = response.extensions().get().map(Rejected::reason);
            assert_eq!(refused, Some(reason), "{reason}");
            assert_eq!(header(&response, "retry-after"), retry_after, "{reason}");
            assert_eq!(
                header(&response, "cache-control"),
                (status == 404).then_some("no-store"),
                "{reason}"
            );
            assert_eq!(
                header(&response, "content-type"),
                Some("application/problem+json")
            );
            let exact = response.body().size_hint().exact();
            assert_eq!(exact, Some(body.len() as u64), "{reason}");
            assert_eq!(read(response.body_mut()), body);
            assert!(response.body().is_end_stream());
            assert_eq!(read(response.body_mut()), "");

            let silent = rejected.response();
            let unknown = retry_after.map(|_| "1");
            assert_eq!(header(&silent, "retry-after"), unknown, "{reason}");
        }
    }

    #[test]
    fn anything_else_is_a_500_that_tells_nothing() {
        let mut response = ProblemBody::internal_error();
        assert_eq!(response.status(), 500);
        assert_eq!(header(&response, "retry-after"), None);
        let json = r#"{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"something went wrong on our side"}"#;
        assert_eq!(read(response.body_mut()), json);
    }

    #[test]
    fn a_detail_cannot_break_out_of_its_string() {
        let mut response = ProblemBody::about(StatusCode::CONFLICT, "a \"name\"\\\n\u{1f}é");
        let json = r#"{"type":"about:blank","title":"Conflict","status":409,"detail":"a \"name\"\\\u000a\u001fé"}"#;
        assert_eq!(read(response.body_mut()), json);
    }

    #[test]
    fn retry_after_rounds_up_and_is_never_zero() {
        assert_eq!(whole_secs(Some(Duration::from_millis(1_900))), 2);
        assert_eq!(whole_secs(Some(Duration::from_secs(2))), 2);
        assert_eq!(whole_secs(Some(Duration::ZERO)), 1);
        assert_eq!(whole_secs(Some(Duration::MAX)), u64::MAX);
        assert_eq!(whole_secs(None), 1);
    }

    #[test]
    fn an_inner_body_passes_unchanged() {
        let mut body = ProblemBody::new("hello".to_owned());
        assert_eq!(body.size_hint().exact(), Some(5));
        assert_eq!(read(&mut body), "hello");
        assert!(body.is_end_stream());
    }

    proptest! {
        #[test]
        fn whatever_the_detail_no_quote_or_control_character_stands_bare(detail in any::<String>()) {
            let mut json = String::new();
            escape(&detail, &mut json);
            assert!(!json.contains(|c: char| c < ' '));
            let mut chars = json.chars();
            while let Some(c) = chars.next() {
                assert_ne!(c, '"');
                if c == '\\' {
                    assert!(matches!(chars.next(), Some('"' | '\\' | 'u')));
                }
            }
        }
    }

    fn header<'r>(response: &'r Response<ProblemBody<String>>, name: &str) -> Option<&'r str> {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap())
    }

    /// The next frame as text, or nothing.
    fn read(body: &mut ProblemBody<String>) -> String {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(body).poll_frame(&mut cx) {
            Poll::Ready(Some(frame)) => {
                String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap()
            }
            Poll::Ready(None) => String::new(),
            Poll::Pending => panic!("nothing to wait for"),
        }
    }
}
