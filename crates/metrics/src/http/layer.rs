use std::fmt;
use std::sync::Arc;

use http::Extensions;
use metrics::Recorder;
use tower_layer::Layer;

use crate::HttpMetrics;
use crate::facade::Facade;
use crate::http::routes::Routes;

/// Wraps services in an [`HttpMetrics`].
///
/// Clones of the layer, and all services it makes, share its series. What is counted, and by
/// what, stands in the [crate docs](crate).
#[derive(Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct HttpMetricsLayer {
    fleet: Arc<Fleet>,
}

pub(crate) struct Fleet {
    pub(crate) route_of: Arc<dyn RouteOf>,
    pub(crate) routes: Routes,
}

/// A closure, under a name that is short.
pub(crate) trait RouteOf: Send + Sync {
    fn route<'r>(&self, of: &'r Extensions) -> Option<&'r str>;
}

impl<F> RouteOf for F
where
    F: Fn(&Extensions) -> Option<&str> + Send + Sync,
{
    fn route<'r>(&self, of: &'r Extensions) -> Option<&'r str> {
        self(of)
    }
}

impl HttpMetricsLayer {
    /// Counts into the recorder of the process, all requests under the route
    /// `__unmatched__`. The recorder has to be installed before the first request.
    pub fn new() -> Self {
        Self::with(Arc::new(unmatched), Facade::default())
    }

    /// Asks for the route of each request, by what is in its extensions: the route as it
    /// stands in the code, such as `/users/{id}`, never the path that the client sent. It
    /// is called for each request: keep it cheap. The first 1,024 routes are told apart, the
    /// others are `__overflow__`; requests of none are `__unmatched__`. Default: none.
    pub fn route_of(
        self,
        route_of: impl Fn(&Extensions) -> Option<&str> + Send + Sync + 'static,
    ) -> Self {
        Self::with(Arc::new(route_of), self.fleet.routes.facade().clone())
    }

    /// Counts into this recorder, such as that of a page which is not
    /// [installed](crate::Exporter::install). Default: the recorder of the process.
    pub fn recorder(self, recorder: impl Recorder + Send + Sync + 'static) -> Self {
        Self::with(Arc::clone(&self.fleet.route_of), Facade::of(recorder))
    }

    fn with(route_of: Arc<dyn RouteOf>, facade: Facade) -> Self {
        let routes = Routes::new(facade);
        let fleet = Arc::new(Fleet { route_of, routes });
        Self { fleet }
    }
}

#[cfg(feature = "axum")]
impl HttpMetricsLayer {
    /// Takes the route from axum's `MatchedPath`: give the layer to `Router::layer`, for
    /// outside of the router nothing has been matched yet.
    pub fn matched_path() -> Self {
        use axum::extract::MatchedPath;
        Self::new().route_of(|of| of.get().map(MatchedPath::as_str))
    }
}

impl Default for HttpMetricsLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HttpMetricsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpMetricsLayer")
            .field("recorder", self.fleet.routes.facade())
            .finish_non_exhaustive()
    }
}

const fn unmatched(_: &Extensions) -> Option<&str> {
    None
}

impl<S> Layer<S> for HttpMetricsLayer {
    type Service = HttpMetrics<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpMetrics::new(inner, Arc::clone(&self.fleet))
    }
}
