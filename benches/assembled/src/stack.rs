use std::error::Error;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::http::{Response, StatusCode};
use axum::middleware::from_fn;
use axum::routing::get;
use axum_prometheus::PrometheusMetricLayer;
use governor::clock::QuantaInstant;
use governor::middleware::NoOpMiddleware;
use tower::ServiceBuilder;
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::KeyExtractor;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tower_resilience_bulkhead::BulkheadLayer;
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, FailureClassifier};
use towerblock_floor::{REQUEST_ID, TIMEOUT, compression, cors};

use crate::plugins::{list, list_with_care};
use crate::sources::Sources;
use crate::tenant::{ByName, ByTenant, resolve};

const PLUGINS: &str = "/api/v1/plugins";
/// The same as of the example server.
const IN_FLIGHT: usize = 1_024;
const NO_RATE: &str = "a rate of nothing";

/// What takes a setting or two, in either way to put it together.
pub(crate) struct Stack {
    rate: u32,
    bulkhead: BulkheadLayer,
    breaker: CircuitBreakerLayer<ServerErrors>,
}

impl Stack {
    /// For tenants that may make so many requests in a second.
    pub(crate) fn new(rate: u32) -> Result<Self, Box<dyn Error>> {
        let bulkhead = BulkheadLayer::builder()
            .max_concurrent_calls(IN_FLIGHT)
            .reject_when_full();
        let breaker = CircuitBreakerLayer::builder()
            .failure_rate_threshold(0.5)
            .sliding_window_size(100)
            .wait_duration_in_open(Duration::from_secs(1))
            .failure_classifier_type(ServerErrors);
        Ok(Self {
            rate,
            bulkhead: bulkhead.build()?,
            breaker: breaker.build()?,
        })
    }

    /// Each layer put around the router as its documentation shows it, the last one outermost.
    pub(crate) fn by_itself(self, sources: Arc<Sources>) -> Result<Router, Box<dyn Error>> {
        let (metrics, page) = PrometheusMetricLayer::pair();
        let breaker = ServiceBuilder::new()
            .layer(HandleErrorLayer::new(unavailable))
            .layer(self.breaker);
        let bulkhead = ServiceBuilder::new()
            .layer(HandleErrorLayer::new(unavailable))
            .layer(self.bulkhead);
        Ok(Router::new()
            .route(PLUGINS, get(list))
            .with_state(sources)
            .layer(compression())
            .layer(timeout())
            .layer(breaker)
            .layer(bulkhead)
            .layer(governor(self.rate, ByName).ok_or(NO_RATE)?)
            .layer(from_fn(resolve))
            .layer(metrics)
            .layer(CatchPanicLayer::new())
            .layer(cors())
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            .layer(TraceLayer::new_for_http())
            .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
            .route("/metrics", get(move || ready(page.render()))))
    }

    /// All of them in one `ServiceBuilder`, so that only those box that cannot but do so.
    pub(crate) fn with_care(self, sources: Arc<Sources>) -> Result<Router, Box<dyn Error>> {
        let (metrics, page) = PrometheusMetricLayer::pair();
        let stack = ServiceBuilder::new()
            .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
            .layer(TraceLayer::new_for_http())
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            .layer(cors())
            .layer(CatchPanicLayer::new())
            // Outside of the limiter, which answers with axum's body only.
            .layer(compression())
            .layer(metrics)
            .layer(from_fn(resolve))
            .layer(governor(self.rate, ByTenant).ok_or(NO_RATE)?)
            .layer(HandleErrorLayer::new(unavailable))
            .layer(self.bulkhead)
            .layer(self.breaker)
            .layer(timeout());
        Ok(Router::new()
            .route(PLUGINS, get(list_with_care))
            .with_state(sources)
            .layer(stack)
            .route("/metrics", get(move || ready(page.render()))))
    }
}

fn timeout() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, TIMEOUT)
}

/// The rate of the plan, with a burst of a second; none for a rate of nothing.
fn governor<K>(rate: u32, key: K) -> Option<GovernorLayer<K, NoOpMiddleware<QuantaInstant>, Body>>
where
    K: KeyExtractor,
{
    let config = GovernorConfigBuilder::default()
        .key_extractor(key)
        .period(Duration::from_secs(1) / rate.max(1))
        .burst_size(rate)
        .finish();
    config.map(GovernorLayer::new)
}

async fn unavailable<E>(_: E) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}

/// Answers that say that the service is broken count as failures.
#[derive(Clone, Copy)]
pub(crate) struct ServerErrors;

impl<B, E> FailureClassifier<Response<B>, E> for ServerErrors {
    fn classify(&self, result: &Result<Response<B>, E>) -> bool {
        let status = result.as_ref().map(Response::status);
        status.map_or(true, |status| status.is_server_error())
    }
}
