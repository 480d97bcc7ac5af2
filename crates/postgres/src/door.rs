//! Which backend a connection was opened to, by what a cancellation of it would say.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Client;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// The process that whoever answered the door named: that of the backend, where nobody is in
/// between. A pooler names one of its own making, for a cancellation has to find the way
/// through it.
///
/// tokio-postgres keeps the number to itself and tells it to a server when it cancels; here it
/// tells it to nobody.
pub(crate) fn named_at_the_door(client: &Client) -> Option<i32> {
    let mut said = Vec::new();
    let token = client.cancel_token();
    let told = token.cancel_query_raw(Ear(&mut said), Nothing);
    told.now_or_never()?.ok()?;
    // Its last eight bytes are the number, and a secret.
    let (_, end) = said.split_last_chunk::<8>()?;
    let (number, _) = end.split_first_chunk::<4>()?;
    Some(i32::from_be_bytes(*number))
}

/// Hears what is said, and says that it encrypts if it is asked.
struct Ear<'a>(&'a mut Vec<u8>);

impl AsyncRead for Ear<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buf.put_slice(b"S");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ear<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for Ear<'_> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// Encrypts nothing: nothing leaves the process.
struct Nothing;

impl<'a> TlsConnect<Ear<'a>> for Nothing {
    type Stream = Ear<'a>;
    type Error = io::Error;
    type Future = Ready<Result<Ear<'a>, io::Error>>;

    fn connect(self, stream: Ear<'a>) -> Self::Future {
        ready(Ok(stream))
    }
}
