use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::request::Builder;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::util::BoxCloneService;
use tower::{Layer, ServiceExt, service_fn};
use towerblock_cache::{HttpCacheLayer, HttpPolicy, Hub, Policy, Settings};
use towerblock_core::{Degraded, TenantId};

pub(crate) const TTL: Duration = Duration::from_secs(60);

pub(crate) fn lifetimes() -> Policy {
    Policy::ttl(TTL).jitter_percent(0)
}

pub(crate) fn policy() -> HttpPolicy {
    HttpPolicy::new(lifetimes())
}

/// What a client got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) degraded: bool,
}

impl Got {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// What the cache says that it did, without how long it lasts.
    pub(crate) fn did(&self) -> &str {
        let did = self.header("cache-status");
        let did = did.strip_prefix("route; ").unwrap_or(did);
        did.split("; ttl").next().unwrap_or_default()
    }
}

type Served = BoxCloneService<Request<Body>, Response<Body>, Infallible>;

/// A route behind a layer, and what it has been asked.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) cache: HttpCacheLayer,
    pub(crate) asked: Arc<AtomicUsize>,
    pub(crate) last: Arc<Mutex<HeaderMap>>,
    service: Arc<Mutex<Served>>,
}

pub(crate) fn hub() -> Hub {
    Hub::start(Settings::memory(64 << 20)).unwrap()
}

impl App {
    /// A route that answers by this.
    pub(crate) fn new<A, R>(policy: HttpPolicy, answer: A) -> Self
    where
        A: AsyncAnswer<R>,
        R: IntoResponse + 'static,
    {
        Self::on(&hub(), policy, answer)
    }

    pub(crate) fn on<A, R>(hub: &Hub, policy: HttpPolicy, answer: A) -> Self
    where
        A: AsyncAnswer<R>,
        R: IntoResponse + 'static,
    {
        let cache = hub.http_cache("route", policy).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let last: Arc<Mutex<HeaderMap>> = Arc::default();
        let (count, seen) = (Arc::clone(&asked), Arc::clone(&last));
        let route = service_fn(move |req: Request<Body>| {
            count.fetch_add(1, Ordering::SeqCst);
            seen.lock().unwrap().clone_from(req.headers());
            let answered = answer.answer(req);
            async move { Ok::<_, Infallible>(answered.await.into_response()) }
        });
        let service = cache.layer(route).map_response(|it| it.map(Body::new));
        let service = Arc::new(Mutex::new(BoxCloneService::new(service)));
        Self {
            cache,
            asked,
            last,
            service,
        }
    }

    pub(crate) async fn send(&self, req: Request<Body>) -> Got {
        let response = self.begin(req).await;
        let (head, body) = response.into_parts();
        Got {
            status: head.status,
            degraded: head.extensions.get::<Degraded>().is_some(),
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// What a client has before it reads the body.
    pub(crate) fn begin(
        &self,
        req: Request<Body>,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        let service = self.service.lock().unwrap().clone();
        async move { service.oneshot(req).await.unwrap() }
    }

    pub(crate) async fn get(&self, uri: &str) -> Got {
        self.send(get(uri).end()).await
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn seen(&self, name: &str) -> Option<String> {
        let last = self.last.lock().unwrap();
        Some(last.get(name)?.to_str().unwrap().to_owned())
    }
}

/// A closure from a request to what it is answered with.
pub(crate) trait AsyncAnswer<R>: Clone + Send + Sync + 'static {
    fn answer(&self, req: Request<Body>) -> Pin<Box<dyn Future<Output = R> + Send>>;
}

impl<F, Fut, R> AsyncAnswer<R> for F
where
    F: Fn(Request<Body>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
{
    fn answer(&self, req: Request<Body>) -> Pin<Box<dyn Future<Output = R> + Send>> {
        Box::pin(self(req))
    }
}

/// A route that answers all requests with these headers, and with how often it was asked.
pub(crate) fn counting(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
) -> impl AsyncAnswer<Response<Body>> {
    let asked = Arc::new(AtomicUsize::new(0));
    move |_: Request<Body>| {
        let nth = asked.fetch_add(1, Ordering::SeqCst) + 1;
        async move { answer(status, headers, format!("answer {nth}")) }
    }
}

pub(crate) fn answer(
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    response
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub(crate) fn get(uri: &str) -> Builder {
    Request::get(uri).extension(tenant("acme"))
}

pub(crate) trait End {
    fn end(self) -> Request<Body>;
}

impl End for Builder {
    fn end(self) -> Request<Body> {
        self.body(Body::empty()).unwrap()
    }
}

/// The time of the hub moves by ticks, which a task makes.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time + Duration::from_millis(20)).await;
}
