//! Connections in, and the orderly end.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tower::util::MapRequest;
use tower_http::add_extension::AddExtension;

use crate::caller::Peer;
use crate::state::Shared;

/// A client that has not sent its first request by then is gone, or means harm.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Between requests, and for the head of each: longer than the 60 s for which nginx keeps
/// what it may use again.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Requests in flight get this long to end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Resolves at SIGTERM or Ctrl-C.
pub(crate) fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Serves `app` until `stop` resolves, then lets what is in flight end.
pub(crate) async fn until(
    stop: impl Future<Output = ()>,
    listener: TcpListener,
    app: Router,
    state: &Shared,
) {
    let mut stop = pin!(stop);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => connection(stream, Peer(peer.ip()), &app, state, &graceful),
            // Out of file descriptors, or the peer is gone already: neither is for ever.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    tracing::info!("stopping, requests in flight may end");
    let drained = timeout(DRAIN_TIMEOUT, graceful.shutdown()).await;
    if drained.is_err() {
        tracing::warn!("stopped before all requests had ended");
    }
}

fn connection(
    stream: TcpStream,
    peer: Peer,
    app: &Router,
    state: &Shared,
    graceful: &GracefulShutdown,
) {
    // Answers are small and wanted at once; if it cannot be set, they are only slower.
    let _ = stream.set_nodelay(true);
    let asked = Arc::new(AtomicBool::new(false));
    let has_asked = Arc::clone(&asked);
    let service = MapRequest::new(AddExtension::new(app.clone(), peer), move |req| {
        asked.store(true, Ordering::Relaxed);
        req
    });
    let service = TowerToHyperService::new(service);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(IDLE_TIMEOUT));
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    let serving = graceful.watch(serving.into_owned());
    let open = Open::new(state);
    // It ends with its client, or when `graceful` shuts down; the runtime's end bounds both.
    tokio::spawn(async move {
        let _open = open;
        let mut serving = pin!(serving);
        // Until a request is whole, hyper's own timer may not even have begun.
        let ended = match timeout(FIRST_REQUEST_TIMEOUT, serving.as_mut()).await {
            Ok(ended) => ended,
            Err(_) if !has_asked.load(Ordering::Relaxed) => return,
            Err(_) => serving.await,
        };
        if let Err(error) = ended {
            tracing::debug!(error, "connection ended early");
        }
    });
}

/// Counts an open connection until it is dropped.
struct Open(Shared);

impl Open {
    fn new(state: &Shared) -> Self {
        state.connections.fetch_add(1, Ordering::Relaxed);
        Self(Shared::clone(state))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
