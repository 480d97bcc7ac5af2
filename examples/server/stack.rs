//! The whole stack, outermost layer first. A request falls through it from top to bottom,
//! and its answer climbs back up.

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION, CONTENT_TYPE, VARY};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use tower::filter::FilterLayer;
use tower::timeout::TimeoutLayer;
use tower::timeout::error::Elapsed;
use tower::util::MapRequestLayer;
use tower::{BoxError, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;
use tower_http::cors::CorsLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use towerblock_breaker::FallbackLayer;
use towerblock_core::{ProblemBody, Reason, Rejected};
use towerblock_lifecycle::InFlightLayer;
use towerblock_metrics::{HttpMetricsLayer, TenantBoardLayer};
use towerblock_page::PageLayer;
use towerblock_postgres::{Carrier, ClusterLayer};
use towerblock_respond::{Refused, RespondLayer};
use towerblock_shed::{Limit, ShedLayer};
use towerblock_tenant::{GuardedHeader, Subdomain, TenantLayer};

use crate::caller::{self, USER_ID, is_local};
use crate::observed::Observed;
use crate::state::Shared;
use crate::{routes, trace};

/// Bytes of a request's body.
pub(crate) const BODY_LIMIT: usize = 64 * 1_024;
/// Requests in flight. Without a cache some 4,000 are answered in a second, so that nobody waits
/// much more than a quarter of a second for those before. With fewer, those that wait for the
/// database would leave no room for those that are answered from memory.
const IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();
/// From so many percent of them on, whoever has most is refused.
pub(crate) const SOFT_PERCENT: u8 = 80;
/// All queries of a request.
pub(crate) const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// A handler bounds what it waits for itself; this is for the one that forgot.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Compressing less costs more than it saves.
const COMPRESS_ABOVE: u64 = 1_024;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");

/// What CORS looks at.
const VARIES: HeaderValue = HeaderValue::from_static(
    "origin, access-control-request-method, access-control-request-headers",
);
/// What a script of another origin may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "etag,link,location,retry-after,ratelimit,ratelimit-policy,x-request-id,x-degraded",
);

/// The whole application: probes and admin routes, and the tenants' behind the stack.
pub(crate) fn app(
    state: Shared,
    observed: &Observed,
    origins: Vec<HeaderValue>,
) -> Result<Router, BoxError> {
    let tenants = around(routes::tenants(&state), &state, observed, origins)?;
    // Probes stand outside everything: they must answer when nothing else does.
    let operators = routes::operators(&state, observed);
    let operators = operators.method_not_allowed_fallback(no_method);
    Ok(operators.merge(tenants).with_state(state))
}

/// The stack around these routes.
pub(crate) fn around(
    routes: Router<Shared>,
    state: &Shared,
    observed: &Observed,
    origins: Vec<HeaderValue>,
) -> Result<Router<Shared>, BoxError> {
    let who_is_asking = TenantLayer::new(Arc::clone(&state.registry))
        .resolver(Subdomain::of(["localhost"])?)
        .resolver(state.tokens.clone())
        .resolver(GuardedHeader::new(TENANT_ID, is_local));

    let own_writes = ClusterLayer::new(state.read_tokens.clone())
        .carrier(Carrier::insecure_cookie())
        .time_limit(QUERY_TIMEOUT);

    let last_known = Arc::clone(state);
    let last_known = move |req: &Request, _: &Rejected| routes::stand_in(&last_known, req);

    let users = Arc::clone(state);
    let who_is_calling = MapRequestLayer::new(move |req| caller::named(&users.tokens, req));
    let limits = Arc::clone(state);
    let calls = FilterLayer::new(move |req| limits.limits.count(req));

    let pages = PageLayer::new(state.cursor_keys.clone());

    let stack = ServiceBuilder::new()
        // First of all, so that whatever is logged below carries the request's id; one
        // that the client chose stays if it is fit for a log.
        .layer(MapRequestLayer::new(drop_unfit_id))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        // Outside all that answers: every line of the log stands in its span.
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(trace::span)
                .on_request(())
                .on_response(trace::Answered)
                .on_body_chunk(())
                .on_eos(())
                .on_failure(()),
        )
        // Outside all that answers: every answer tells its id.
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        // Right around CORS, which would write this anew for each answer.
        .map_response(tell_browsers)
        // Outside all that refuses: a browser may read why it was refused, and a
        // preflight, which names no tenant, is answered here.
        .layer(cors(origins))
        // Outside everything of ours: a panic in any of it is one 500, not a dead
        // connection.
        .layer(CatchPanicLayer::custom(panicked))
        // Outside all that refuses: what is answered is waited for, whatever it is.
        .layer(InFlightLayer::new(&observed.lifecycle))
        // Outside all that refuses: every outcome is counted, also that nobody waited for it.
        .layer(HttpMetricsLayer::matched_path().recorder(observed.page.recorder()))
        // Outside the layers that refuse with an error: from here on out nothing fails.
        .layer(RespondLayer::new())
        // Everything below may rely on the tenant; nothing below runs without one.
        .layer(who_is_asking)
        // Right inside the tenant: what is refused below is counted for it, too.
        .layer(TenantBoardLayer::new(state.board.clone()))
        // Inside the tenant, so that only requests of one are given time for queries; outside
        // the timeout, for the answer of any handler may carry what it wrote.
        .layer(own_writes)
        // Inside the tenant, whose share it looks at: who floods is refused, others are not.
        // Outside all that takes time. Every request is as dear to its tenant as any other,
        // so there is one class: what is sheddable would be refused to all for one's flood.
        .layer(state.shed.clone())
        // Inside the tenant, of whom it must be a user; outside what limits users.
        .layer(who_is_calling)
        // Inside what sheds: what there was no room for is charged to nobody's plan. Outside all
        // that does something for the request.
        .layer(state.limits.rates.clone())
        // Inside the rates: what they refuse was no call.
        .layer(calls)
        // Inside the tenant, which bounds its lookups itself; outside the handler.
        .map_err(unavailable_if_elapsed)
        .layer(TimeoutLayer::new(TIMEOUT))
        // Next to the handler: it sees whole bodies, and everything outside the sizes
        // that go over the wire.
        .layer(compression())
        // Right around the handlers, which ask the circuit themselves: while no read is let
        // through, it shows what may be shown. Inside the compression, as they are.
        .layer(FallbackLayer::new(
            state.circuits.of_reads().clone(),
            last_known,
        ))
        // Next to the handlers that read it; it changes no answer.
        .layer(pages)
        .layer(DefaultBodyLimit::max(BODY_LIMIT));

    let unknown = async || about(StatusCode::NOT_FOUND, "no such page");
    Ok(routes
        .method_not_allowed_fallback(no_method)
        .fallback(unknown)
        .layer(stack))
}

pub(crate) fn compression() -> CompressionLayer<SizeAbove> {
    CompressionLayer::new().compress_when(SizeAbove::new(COMPRESS_ABOVE))
}

/// The limit is a given one: what is behind it is a pool, whose size is known.
pub(crate) fn shed() -> ShedLayer {
    ShedLayer::new(Limit::fixed(IN_FLIGHT)).soft_percent(SOFT_PERCENT)
}

async fn no_method() -> Refused {
    about(StatusCode::METHOD_NOT_ALLOWED, "no such method here")
}

// A request is long to move.
#[inline]
fn drop_unfit_id(mut req: Request) -> Request {
    let fit = |id: &HeaderValue| matches!(id.len(), 1..=64) && id.to_str().is_ok();
    if !req.headers().get(REQUEST_ID).is_none_or(fit) {
        req.headers_mut().remove(REQUEST_ID);
    }
    req
}

fn cors(origins: Vec<HeaderValue>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, TENANT_ID, USER_ID])
        .max_age(Duration::from_secs(600))
        .vary([])
}

fn tell_browsers<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    headers.append(VARY, VARIES);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that CatchPanicLayer asks for"
)]
fn panicked(panic: Box<dyn Any + Send>) -> Response<ProblemBody<Body>> {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref().map(String::as_str));
    tracing::error!(panic = text, "answered 500");
    ProblemBody::internal_error()
}

fn unavailable_if_elapsed(error: BoxError) -> BoxError {
    if error.is::<Elapsed>() {
        return Rejected::new("timeout", Reason::Unavailable).into();
    }
    error
}

fn about(status: StatusCode, detail: &str) -> Refused {
    Refused::new(ProblemBody::about(status, detail))
}
