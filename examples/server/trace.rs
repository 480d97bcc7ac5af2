//! The span of a request, with the names that OpenTelemetry gives to its fields: a subscriber
//! such as tracing-opentelemetry exports it as it is.

use std::fmt;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use http::{Method, Response};
use tower_http::trace::OnResponse;
use tracing::Span;
use tracing::field::Empty;

use crate::stack::REQUEST_ID;

/// The tenant and the outcome are filled in once they are known: the one by `TenantLayer`.
pub(crate) fn span(req: &Request) -> Span {
    // Nothing is looked up before: without a subscriber no field is asked for.
    tracing::info_span!(
        "request",
        otel.kind = "server",
        otel.name = %Name { method: known(req.method()), route: route(req) },
        otel.status_code = Empty,
        http.request.method = known(req.method()).unwrap_or("_OTHER"),
        http.route = route(req),
        http.response.status_code = Empty,
        url.path = req.uri().path(),
        request_id = request_id(req),
        tenant = Empty,
    )
}

fn route(req: &Request) -> Option<&str> {
    req.extensions().get().map(MatchedPath::as_str)
}

fn request_id(req: &Request) -> Option<&str> {
    req.headers().get(REQUEST_ID)?.to_str().ok()
}

/// Those of the standard; any other is one name, for a client may make up more.
fn known(method: &Method) -> Option<&'static str> {
    Some(match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::CONNECT => "CONNECT",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::PATCH => "PATCH",
        _ => return None,
    })
}

/// What many requests have in common, so never a path.
struct Name<'a> {
    method: Option<&'static str>,
    route: Option<&'a str>,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method.unwrap_or("HTTP"))?;
        match self.route {
            Some(route) => write!(f, " {route}"),
            None => Ok(()),
        }
    }
}

/// Fills in how a request was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered;

impl<B> OnResponse<B> for Answered {
    fn on_response(self, response: &Response<B>, _: Duration, span: &Span) {
        let status = response.status();
        span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
    }
}
