//! The span of a request, as a subscriber gets it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::{Router, routing::get};
use http::Request;
use tower::ServiceExt as _;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Subscriber, subscriber::set_default};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

type Fields = BTreeMap<&'static str, String>;

/// Keeps the fields of every span of a request.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<BTreeMap<u64, Fields>>>);

struct Keep<'a>(&'a mut Fields);

impl Visit for Keep<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: Subscriber> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        if attributes.metadata().name() == "request" {
            let mut fields = Fields::new();
            attributes.record(&mut Keep(&mut fields));
            self.0.lock().unwrap().insert(id.into_u64(), fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some(fields) = self.0.lock().unwrap().get_mut(&id.into_u64()) {
            values.record(&mut Keep(fields));
        }
    }
}

fn app() -> Router {
    let config = marketplace::Config::read(["server".into()]).unwrap();
    let fails = async || -> &'static str { panic!("as the test wants") };
    let routes = Router::new()
        .route("/works/{id}", get(async || "works"))
        .route("/fails", get(fails));
    marketplace::around(routes, &config, 3).unwrap()
}

/// What the span of this request came to have.
async fn span(method: &str, host: &str, path: &str) -> Fields {
    let spans = Spans::default();
    let _guard = set_default(tracing_subscriber::registry().with(spans.clone()));
    let req = Request::builder().method(method).uri(path);
    let req = req.header("host", format!("{host}.localhost"));
    let req = req.header("x-request-id", "r-1").body(Body::empty());
    let response = app().oneshot(req.unwrap()).await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "r-1");
    let spans = spans.0.lock().unwrap();
    assert_eq!(spans.len(), 1);
    spans.values().next().unwrap().clone()
}

fn fields<const N: usize>(expected: [(&'static str, &str); N]) -> Fields {
    let common = [("otel.kind", "server"), ("request_id", "r-1")];
    let all = expected.into_iter().chain(common);
    all.map(|(name, value)| (name, value.to_owned())).collect()
}

#[tokio::test]
async fn a_span_has_the_names_of_opentelemetry_and_its_tenant() {
    assert_eq!(
        span("GET", "acme", "/works/7").await,
        fields([
            ("otel.name", "GET /works/{id}"),
            ("http.request.method", "GET"),
            ("http.route", "/works/{id}"),
            ("url.path", "/works/7"),
            ("tenant", "acme"),
            ("http.response.status_code", "200"),
        ])
    );
    assert_eq!(
        span("GET", "globex", "/fails").await,
        fields([
            ("otel.name", "GET /fails"),
            ("http.request.method", "GET"),
            ("http.route", "/fails"),
            ("url.path", "/fails"),
            ("tenant", "globex"),
            ("http.response.status_code", "500"),
            ("otel.status_code", "ERROR"),
        ])
    );
}

#[tokio::test]
async fn what_a_client_makes_up_names_no_span() {
    assert_eq!(
        span("BREW", "nobody", "/minted").await,
        fields([
            ("otel.name", "HTTP"),
            ("http.request.method", "_OTHER"),
            ("url.path", "/minted"),
            ("http.response.status_code", "404"),
        ])
    );
}
