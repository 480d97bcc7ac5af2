use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::{Route, any};
use http::{Request, StatusCode};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tower::{Layer, Service, ServiceExt};

use super::acme;

/// Puts `layer` over the two routes `/a` and `/b` of one axum `Router`, by one `.layer` call,
/// and lends them to `drive`. axum applies a layer to each route: what both are to share has
/// to be made with the layer, not when it is applied.
///
/// ```
/// use tower::limit::GlobalConcurrencyLimitLayer;
/// use tower::{ServiceBuilder, load_shed::LoadShedLayer};
/// # use http::StatusCode;
/// # use towerblock_respond::RespondLayer;
/// use towerblock_testkit::laws::shares_state_across_routes;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let one_at_a_time = ServiceBuilder::new()
///     .layer(RespondLayer::new())
///     .layer(LoadShedLayer::new())
///     .layer(GlobalConcurrencyLimitLayer::new(1));
/// shares_state_across_routes(one_at_a_time, async |routes| {
///     let held = routes.hold("/a").await.unwrap();
///     assert_eq!(routes.status("/b").await, StatusCode::INTERNAL_SERVER_ERROR);
///     assert_eq!(held.release().await, StatusCode::OK);
///     assert_eq!(routes.status("/b").await, StatusCode::OK);
/// })
/// .await;
/// # }
/// ```
pub async fn shares_state_across_routes<L, T>(
    layer: L,
    drive: impl AsyncFnOnce(&TwoRoutes) -> T,
) -> T
where
    L: Layer<Route> + Clone + Send + Sync + 'static,
    L::Service: Service<Request<Body>> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request<Body>>>::Response: IntoResponse + 'static,
    <L::Service as Service<Request<Body>>>::Error: Into<Infallible> + 'static,
    <L::Service as Service<Request<Body>>>::Future: Send + 'static,
{
    let router = Router::new()
        .route("/a", any(handle))
        .route("/b", any(handle))
        .layer(layer);
    drive(&TwoRoutes { router }).await
}

/// The routes `/a` and `/b`, which answer 200 to everything that reaches them.
#[derive(Clone, Debug)]
pub struct TwoRoutes {
    router: Router,
}

impl TwoRoutes {
    /// The status that a GET of the tenant `acme` gets.
    pub async fn status(&self, path: &str) -> StatusCode {
        self.send(get(path)).await.status()
    }

    /// What a request of the caller's making gets.
    pub async fn send(&self, request: Request<Body>) -> Response {
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Sends `count` GETs of the tenant `acme`, one after another, to `/a` and `/b` in turn.
    pub async fn alternate(&self, count: usize) -> Vec<StatusCode> {
        let mut statuses = Vec::with_capacity(count);
        for path in ["/a", "/b"].iter().cycle().take(count) {
            statuses.push(self.status(path).await);
        }
        statuses
    }

    /// Sends a GET of the tenant `acme` and returns when its handler has it and waits.
    ///
    /// # Errors
    ///
    /// The response, when the request was answered without its handler.
    ///
    /// # Panics
    ///
    /// When the layer panics.
    #[expect(clippy::expect_used, reason = "a broken law should panic")]
    pub async fn hold(&self, path: &str) -> Result<Held, Response> {
        let (entered, mut arrival) = oneshot::channel();
        let (release, released) = oneshot::channel();
        let gate = Gate(Arc::new(Mutex::new(Some(Ends { entered, released }))));
        let mut request = get(path);
        request.extensions_mut().insert(gate);
        let routes = self.clone();
        let mut task = JoinSet::new();
        task.spawn(async move { routes.send(request).await });
        tokio::select! {
            biased;
            Ok(()) = &mut arrival => Ok(Held { task, release }),
            Some(answered) = task.join_next() => Err(answered.expect("the layer does not panic")),
        }
    }
}

/// A request that its handler has not answered yet. Dropping it is a client that hangs up.
#[derive(Debug)]
#[must_use = "dropping it ends the request"]
pub struct Held {
    task: JoinSet<Response>,
    release: oneshot::Sender<()>,
}

impl Held {
    /// Lets the handler answer, and returns what the client gets.
    ///
    /// # Panics
    ///
    /// When the layer panics on the way out.
    #[expect(clippy::expect_used, reason = "a broken law should panic")]
    pub async fn release(mut self) -> StatusCode {
        let _gone = self.release.send(());
        let joined = self.task.join_next().await.expect("one task");
        joined.expect("the layer does not panic").status()
    }
}

/// Tells that the handler is entered, and when it may go on. Extensions want `Clone`; the
/// first handler takes it.
#[derive(Clone)]
struct Gate(Arc<Mutex<Option<Ends>>>);

struct Ends {
    entered: oneshot::Sender<()>,
    released: oneshot::Receiver<()>,
}

async fn handle(mut request: Request<Body>) -> StatusCode {
    let gate = request.extensions_mut().remove::<Gate>();
    let ends = gate.and_then(|gate| gate.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    if let Some(Ends { entered, released }) = ends {
        let _gone = entered.send(());
        let _dropped = released.await;
    }
    StatusCode::OK
}

fn get(path: &str) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = path.parse().unwrap_or_default();
    request.extensions_mut().insert(acme());
    request
}
