use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum_prometheus::BaseMetricLayer;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use metrics::{counter, gauge, histogram};
use tokio::time::Instant;
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _};
use towerblock_core::{BoxError, HasTenant as _, TenantId};
use towerblock_metrics::{HttpMetricsLayer, TenantBoard, TenantBoardLayer};

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// So many requests.
    pub(crate) run: Box<dyn Fn(usize)>,
}

thread_local! {
    /// A request that comes again and again: making it is no layer's cost.
    static REQUEST: RefCell<Option<Request<String>>> = const { RefCell::new(None) };
}

pub(crate) fn subjects(board: &TenantBoard) -> Result<Vec<Subject>, BoxError> {
    let request = request()?;
    let fleet = HttpMetricsLayer::matched_path();
    let tenants = TenantBoardLayer::new(board.clone());
    let both = ServiceBuilder::new()
        .layer(fleet.clone())
        .layer(tenants.clone());
    let of = |name, svc| subject(name, svc, &request);
    Ok(vec![
        of("bare service", Bare),
        subject("`HttpMetricsLayer`", fleet.layer(Bare), &request),
        subject("`TenantBoardLayer`", tenants.layer(Bare), &request),
        subject("both", both.service(Bare), &request),
        subject(
            "`metrics` macros, the same series",
            ByMacros { tenant: false },
            &request,
        ),
        subject(
            "`metrics` macros, and by tenant",
            ByMacros { tenant: true },
            &request,
        ),
        subject(
            "axum-prometheus",
            BaseMetricLayer::new().layer(Bare),
            &request,
        ),
    ])
}

fn subject<S, B>(name: &'static str, svc: S, request: &Request<String>) -> Subject
where
    S: Service<Request<String>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    B: HttpBody,
{
    let request = request.clone();
    let run = Box::new(move |times| {
        REQUEST.set(Some(request.clone()));
        let mut svc = svc.clone();
        (0..times).for_each(|_| serve(&mut svc));
    });
    Subject { name, run }
}

/// From the request to the end of the body.
fn serve<S, B>(svc: &mut S)
where
    S: Service<Request<String>, Response = Response<B>, Error = Infallible>,
    B: HttpBody,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(svc.poll_ready(&mut cx).is_ready());
    let request = REQUEST.take().expect("it came back");
    let mut answer = pin!(svc.call(request));
    let Poll::Ready(Ok(response)) = answer.as_mut().poll(&mut cx) else {
        panic!("it answers at once");
    };
    let mut body = pin!(response.into_body());
    while !body.is_end_stream() {
        assert!(body.as_mut().poll_frame(&mut cx).is_ready());
    }
}

/// axum alone makes a `MatchedPath`.
fn request() -> Result<Request<String>, BoxError> {
    let handler = async |path: MatchedPath| {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(path);
        response
    };
    let path = "/api/v1/plugins/{id}";
    let app: Router = Router::new().route(path, axum::routing::get(handler));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let req = Request::get("/api/v1/plugins/7").body(Body::empty())?;
    let response = runtime.block_on(app.oneshot(req))?;
    let matched = response.extensions().get::<MatchedPath>().cloned();
    let mut request = Request::get("/api/v1/plugins/7").body(String::new())?;
    let extensions = request.extensions_mut();
    extensions.insert(matched.ok_or("nothing matched")?);
    extensions.insert(TenantId::new("acme")?);
    Ok(request)
}

/// Gives the request back, and answers with a body of one frame.
#[derive(Clone, Copy)]
struct Bare;

impl Service<Request<String>> for Bare {
    type Response = Response<OneFrame>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        REQUEST.set(Some(request));
        let body = OneFrame(Some(Bytes::from_static(b"hello")));
        ready(Ok(Response::new(body)))
    }
}

struct OneFrame(Option<Bytes>);

impl HttpBody for OneFrame {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// What one writes without a layer: the fleet's series, at the end of each request, and with a
/// tenant those of the board.
#[derive(Clone, Copy)]
struct ByMacros {
    tenant: bool,
}

impl Service<Request<String>> for ByMacros {
    type Response = Response<OneFrame>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let since = Instant::now();
        let method = request.method().to_string();
        let matched = request.extensions().get::<MatchedPath>();
        let route = matched.map_or("", MatchedPath::as_str).to_owned();
        let tenant = request.tenant().map(|tenant| tenant.as_str().to_owned());
        gauge!("macros_in_flight", "method" => method.clone()).increment(1.0);
        let answer = Bare.call(request);
        let status = "200".to_owned();
        let [m, r] = [&method, &route].map(String::clone);
        counter!("macros_requests_total", "method" => m, "route" => r, "status" => status)
            .increment(1);
        let [m, r] = [&method, &route].map(String::clone);
        histogram!("macros_duration_seconds", "method" => m, "route" => r).record(since.elapsed());
        let [m, r] = [&method, &route].map(String::clone);
        histogram!("macros_exchange_seconds", "method" => m, "route" => r).record(since.elapsed());
        counter!("macros_body_bytes", "method" => method.clone(), "route" => route).increment(5);
        gauge!("macros_in_flight", "method" => method).decrement(1.0);
        if let Some(tenant) = tenant.filter(|_| self.tenant) {
            counter!("macros_tenant_requests", "tenant" => tenant.clone()).increment(1);
            histogram!("macros_tenant_seconds", "tenant" => tenant).record(since.elapsed());
        }
        answer
    }
}
