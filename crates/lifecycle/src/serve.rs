//! Connections in, and their orderly end.

mod connection;
mod peer;
mod request_body;
mod socket;
mod timeouts;

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::Body;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, unconstrained};
use tokio::time::sleep;
use tower_service::Service;
use towerblock_core::BoxError;

pub use self::{peer::Peer, request_body::RequestBody, timeouts::Timeouts};
use crate::{Lifecycle, Phase};

/// Out of file descriptors, or the client is gone already: neither is for ever.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// More than systems let wait as they come; bounded, for clients may connect as fast as we accept.
const LAST_ACCEPTS: usize = 4_096;

impl Lifecycle {
    /// Serves HTTP/1.1 and HTTP/2 on `listener`, with a clone of `service` for each request: an
    /// `axum::Router`, or any stack over one. Give what it returns to [`run`](Self::run), or several
    /// of them joined. Requests carry their [`Peer`] as an extension.
    ///
    /// From [`Phase::Draining`] on, responses of HTTP/1.1 carry `connection: close`. In
    /// [`Phase::Closing`] the listener is closed, once what waits there has been accepted; clients of HTTP/2
    /// get a GOAWAY, idle connections are closed, the others after their last response. It ends with
    /// the last connection.
    ///
    /// Cancel safety: dropping it closes the listener and all connections, upgraded ones included.
    pub fn serve<S, B>(
        &self,
        listener: TcpListener,
        service: S,
    ) -> impl Future<Output = ()> + Send + use<S, B>
    where
        S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        self.serve_with(listener, service, Timeouts::default())
    }

    /// [`serve`](Self::serve), with other [`Timeouts`].
    pub fn serve_with<S, B>(
        &self,
        listener: TcpListener,
        service: S,
        timeouts: Timeouts,
    ) -> impl Future<Output = ()> + Send + use<S, B>
    where
        S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let lifecycle = self.clone();
        let serve = move |stream: TcpStream, peer| {
            let service = service.clone();
            connection::serve(lifecycle.clone(), stream, peer, service, timeouts)
        };
        accept(self.clone(), listener, serve)
    }
}

async fn accept<F>(
    lifecycle: Lifecycle,
    listener: TcpListener,
    serve: impl Fn(TcpStream, Peer) -> F + Send,
) where
    F: Future<Output = ()> + Send + 'static,
{
    // Dropped with this future, and all connections with it.
    let mut connections = JoinSet::new();
    let mut closing = pin!(lifecycle.until(Phase::Closing));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Those that have ended are not kept.
            Some(_) = connections.join_next() => continue,
            () = closing.as_mut() => break,
        };
        match accepted {
            Ok((stream, peer)) => drop(connections.spawn(serve(stream, Peer(peer)))),
            Err(error) => {
                lifecycle.shared.counters.not_accepted();
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // The system has made these connections already; closing the listener would reset them.
    for _ in 0..LAST_ACCEPTS {
        // Unconstrained, or tokio's budget for this task looks like the end of the queue.
        let Some(Ok((stream, peer))) = unconstrained(listener.accept()).now_or_never() else {
            break;
        };
        connections.spawn(serve(stream, Peer(peer)));
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}
