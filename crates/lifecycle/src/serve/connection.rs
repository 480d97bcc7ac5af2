use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use pin_project_lite::pin_project;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tower_service::Service;
use towerblock_core::BoxError;

use super::socket::Socket;
use super::{Peer, RequestBody, Timeouts};
use crate::{Lifecycle, Phase};

/// A client that connected just before the end has sent its request, or is about to.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// Serves one connection to its end, that of an upgraded one included.
///
/// Cancel safety: dropping this cuts the connection off.
pub(super) async fn serve<S, B>(
    lifecycle: Lifecycle,
    stream: TcpStream,
    peer: Peer,
    service: S,
    timeouts: Timeouts,
) where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    // Answers are small and wanted at once; if it cannot be set, they are only slower.
    let _ = stream.set_nodelay(true);
    let (socket, mut leash) = Socket::new(stream, lifecycle.clone());
    let closing = pin!(lifecycle.until(Phase::Closing));
    let has_asked = Arc::new(AtomicBool::new(false));
    let service = Connected {
        inner: service,
        lifecycle,
        peer,
        has_asked: Arc::clone(&has_asked),
    };
    let builder = builder(timeouts);
    {
        let service = TowerToHyperService::new(service);
        let serving = builder.serve_connection_with_upgrades(TokioIo::new(socket), service);
        let mut serving = pin!(serving);
        let ended = tokio::select! {
            biased;
            ended = serving.as_mut() => ended,
            () = never_asked(&has_asked, timeouts.first_request) => Ok(()),
            () = closing => {
                let patience = if has_asked.load(Ordering::Relaxed) {
                    Duration::ZERO
                } else {
                    LAST_MOMENT
                };
                match timeout(patience, serving.as_mut()).await {
                    Ok(ended) => ended,
                    Err(_elapsed) => {
                        serving.as_mut().graceful_shutdown();
                        serving.await
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "connection ended early");
        }
    }
    leash.released().await;
}

fn builder(timeouts: Timeouts) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.idle);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(timeouts.idle))
        .enable_connect_protocol();
    builder
}

/// Resolves when the time is up and there was no request. Until one is whole, hyper's own timer
/// may not even have begun.
async fn never_asked(has_asked: &AtomicBool, within: Duration) {
    sleep(within).await;
    if has_asked.load(Ordering::Relaxed) {
        pending::<()>().await;
    }
}

/// What requests pass on their way from a connection to the service.
#[derive(Clone)]
struct Connected<S> {
    inner: S,
    lifecycle: Lifecycle,
    peer: Peer,
    has_asked: Arc<AtomicBool>,
}

impl<S, B> Service<Request<Incoming>> for Connected<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<Incoming>) -> Self::Future {
        self.has_asked.store(true, Ordering::Relaxed);
        let mut req = req.map(RequestBody::new);
        req.extensions_mut().insert(self.peer);
        // In HTTP/2 the header is an error, and after CONNECT there is no HTTP left to close.
        let may_close = req.version() <= Version::HTTP_11 && req.method() != Method::CONNECT;
        Answering {
            inner: self.inner.call(req),
            lifecycle: may_close.then(|| self.lifecycle.clone()),
        }
    }
}

pin_project! {
    /// Tells the client not to use this connection again, once the service is about to end.
    struct Answering<F> {
        #[pin]
        inner: F,
        lifecycle: Option<Lifecycle>,
    }
}

impl<F, B, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let is_ending = |lifecycle: &mut Lifecycle| lifecycle.phase() >= Phase::Draining;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS
            && this.lifecycle.as_mut().is_some_and(is_ending)
        {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        Poll::Ready(Ok(response))
    }
}
