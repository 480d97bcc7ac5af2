use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::CancelToken;
use tokio_postgres::config::Host;
use tokio_postgres::tls::MakeTlsConnect;

use crate::server::Server;

/// Asks the server to end what a connection runs, and returns when the signal was sent: it
/// can hit nothing that is sent on that connection afterwards.
///
/// Cancel safety: dropped, the signal may be sent later or not at all.
pub(crate) async fn cancel(server: &Server, token: CancelToken) -> io::Result<()> {
    let port = server.target.port;
    let mut tls = server.target.tls.clone();
    // The server closes the connection after it has sent the signal. tokio-postgres does not
    // wait for that, so a copy of the socket does.
    match &server.target.host {
        Host::Tcp(host) => {
            // Where the URL says to find a server that has another name.
            let stream = match server.target.config.get_hostaddrs() {
                [addr, ..] => TcpStream::connect((*addr, port)).await?,
                [] => TcpStream::connect((&**host, port)).await?,
            };
            let stream = stream.into_std()?;
            let copy = TcpStream::from_std(stream.try_clone()?)?;
            let tls = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, host)
                .map_err(io::Error::other)?;
            let sent = token.cancel_query_raw(TcpStream::from_std(stream)?, tls);
            sent.await.map_err(io::Error::other)?;
            until_closed(copy).await
        }
        Host::Unix(folder) => {
            let path = folder.join(format!(".s.PGSQL.{port}"));
            let stream = UnixStream::connect(path).await?.into_std()?;
            let copy = UnixStream::from_std(stream.try_clone()?)?;
            let tls = MakeTlsConnect::<UnixStream>::make_tls_connect(&mut tls, "")
                .map_err(io::Error::other)?;
            let sent = token.cancel_query_raw(UnixStream::from_std(stream)?, tls);
            sent.await.map_err(io::Error::other)?;
            until_closed(copy).await
        }
    }
}

async fn until_closed(mut stream: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut rest = [0; 64];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}
