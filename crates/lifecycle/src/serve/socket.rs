use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::Lifecycle;

/// A connection that can be cut off wherever it is: an upgraded one belongs to a task of its user's.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    cord: Arc<Cord>,
    lifecycle: Lifecycle,
    /// Tells the [`Leash`] by being dropped.
    _gone: oneshot::Sender<()>,
}

/// The other end of a [`Socket`]. Dropping it cuts the connection off.
#[derive(Debug)]
pub(super) struct Leash {
    cord: Arc<Cord>,
    gone: oneshot::Receiver<()>,
}

#[derive(Debug, Default)]
struct Cord {
    is_cut: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, lifecycle: Lifecycle) -> (Self, Leash) {
        lifecycle.shared.counters.opened();
        let (sender, gone) = oneshot::channel();
        let cord = Arc::<Cord>::default();
        let leash = Leash {
            cord: Arc::clone(&cord),
            gone,
        };
        let socket = Self {
            stream,
            cord,
            lifecycle,
            _gone: sender,
        };
        (socket, leash)
    }
}

impl Leash {
    /// Resolves when the socket is dropped.
    pub(super) async fn released(&mut self) {
        // Nothing is ever sent: it is dropped.
        let _ = (&mut self.gone).await;
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // Before the wakers are taken, so that whoever registers one after that sees it.
        self.cord.is_cut.store(true, Ordering::SeqCst);
        self.cord.reader.wake();
        self.cord.writer.wake();
    }
}

impl Cord {
    /// Makes an error of what would have to wait, or go on, once the cord is cut. The waker is
    /// registered by then.
    fn tie<T>(&self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if self.is_cut.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        poll
    }

    fn reads<T>(&self, cx: &Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_pending() {
            self.reader.register(cx.waker());
        }
        self.tie(poll)
    }

    fn writes<T>(&self, cx: &Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_pending() {
            self.writer.register(cx.waker());
        }
        self.tie(poll)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.lifecycle.shared.counters.closed();
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.cord.reads(cx, poll)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.cord.writes(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.cord.writes(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // Neither waits for the peer.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
