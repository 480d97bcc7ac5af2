//! What all stacks are compared with: one route, bare and under the layers that any service has.
//!
//! ```
//! let json = towerblock_floor::plugins();
//! assert!((1_000..1_300).contains(&json.len()), "{}", json.len());
//! ```

mod program;

use std::fmt::Write as _;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::routing::get;
use bytes::Bytes;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;
use tower_http::cors::CorsLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

pub use self::program::{run, serve};

/// The name that a request's id goes by.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What a handler may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Compressing less costs more than it saves.
const COMPRESS_ABOVE: u64 = 1_024;

/// The floor: one route that answers [`plugins`], no layer.
pub fn bare() -> Router {
    let body = Bytes::from(plugins());
    let json = (
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let answer = move || async move { ([json], body) };
    Router::new().route("/api/v1/plugins", get(answer))
}

/// What any service puts around its routes, before it has a single tenant.
pub fn ordinary(routes: Router) -> Router {
    routes.layer(
        ServiceBuilder::new()
            // Outermost, so that the span below can name the id.
            .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
            // Outside everything that answers: each outcome has its span.
            .layer(TraceLayer::new_for_http())
            // Under the trace, so that the answer it sees already has the id.
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            // Outside everything that refuses: a browser must be able to read refusals.
            .layer(cors())
            // Outside all code that may panic.
            .layer(CatchPanicLayer::new())
            // Around the handler and the compression of what it answers.
            .layer(TimeoutLayer::with_status_code(
                StatusCode::GATEWAY_TIMEOUT,
                TIMEOUT,
            ))
            // Innermost: it sees the body as the handler made it.
            .layer(compression()),
    )
}

/// For the one origin of a browser's application.
pub fn cors() -> CorsLayer {
    CorsLayer::new().allow_origin(HeaderValue::from_static("https://app.example.com"))
}

/// With gzip, what is long enough.
#[must_use]
pub fn compression() -> CompressionLayer<SizeAbove> {
    CompressionLayer::new().compress_when(SizeAbove::new(COMPRESS_ABOVE))
}

/// A page of plugins, some 1.2 kB.
#[must_use]
pub fn plugins() -> String {
    let mut json = String::from(r#"{"items":["#);
    for id in 1..=10 {
        let comma = if id == 1 { "" } else { "," };
        let written = write!(
            json,
            r#"{comma}{{"id":{id},"name":"plugin-{id:04}","team":{team},"version":"1.{id}.0","summary":"What plugin {id} does, in one short sentence."}}"#,
            team = id % 3,
        );
        debug_assert!(written.is_ok(), "a string takes all that is written");
    }
    json.push_str(r#"],"next":null}"#);
    json
}
