use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use metrics::Recorder;
use metrics_exporter_prometheus::PrometheusRecorder;
use tower_service::Service;

use crate::page::sources::Sources;
use crate::page::text::Text;
use crate::{TenantBoard, Upkeep};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The page, as text or as a service that answers each request with it.
///
/// Clones share everything. As a service it fits `Router::route_service`. It tells what
/// operators may know: keep it from everybody else.
#[derive(Clone)]
pub struct Exposition {
    page: Arc<Page>,
}

struct Page {
    recorder: Arc<PrometheusRecorder>,
    sources: Sources,
    boards: Vec<TenantBoard>,
}

impl Exposition {
    pub(crate) fn new(
        recorder: Arc<PrometheusRecorder>,
        sources: Sources,
        boards: Vec<TenantBoard>,
    ) -> Self {
        let page = Arc::new(Page {
            recorder,
            sources,
            boards,
        });
        Self { page }
    }

    /// The page as it is now.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = self.page.recorder.handle().render();
        let mut text = Text::default();
        self.page.sources.write(&mut text);
        text.append_to(&mut page);
        page
    }

    /// What to give to [`HttpMetricsLayer::recorder`](crate::HttpMetricsLayer::recorder) or
    /// `metrics::with_local_recorder`.
    #[must_use]
    pub fn recorder(&self) -> impl Recorder + Clone + Send + Sync + 'static {
        Arc::clone(&self.page.recorder)
    }

    /// Starts the task that the page needs: samples pile up until it counts them, and
    /// boards stand still until it ticks them. It ends when the handle is dropped.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use = "dropped, it stops"]
    pub fn upkeep(&self) -> Upkeep {
        Upkeep::start(self.clone())
    }

    /// One round of it, which blocks for some milliseconds.
    pub(crate) fn tidy(&self) {
        self.page.recorder.handle().run_upkeep();
        self.page.boards.iter().for_each(TenantBoard::tick);
    }
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposition")
            .field("sources", &self.page.sources)
            .finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Exposition {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let mut response = Response::new(self.render());
        response.headers_mut().insert(CONTENT_TYPE, TEXT);
        ready(Ok(response))
    }
}
