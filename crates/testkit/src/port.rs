use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use tokio::time::sleep;

use crate::Error;
use crate::error::Context;

const ATTEMPTS: usize = 8;

/// A port of the loopback address that was free a moment ago.
pub(crate) fn free() -> Result<u16, Error> {
    let listener = TcpListener::bind(at(0)).context(|| "no free port on 127.0.0.1".to_owned())?;
    let addr = listener.local_addr();
    Ok(addr
        .context(|| "a port without a number".to_owned())?
        .port())
}

/// The loopback address with this port.
pub(crate) fn at(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Starts a server on a free port, and on another one when somebody was faster.
pub(crate) async fn starting<T>(
    mut start: impl AsyncFnMut(u16) -> Result<T, Error>,
) -> Result<T, Error> {
    for _ in 1..ATTEMPTS {
        match start(free()?).await {
            Err(error) if error.is_port_taken() => {}
            outcome => return outcome,
        }
    }
    start(free()?).await
}

/// Starts a server again on the port it had; a passing connection may hold it for a moment.
pub(crate) async fn restarting(
    mut start: impl AsyncFnMut() -> Result<(), Error>,
) -> Result<(), Error> {
    for _ in 1..ATTEMPTS {
        match start().await {
            Err(error) if error.is_port_taken() => sleep(Duration::from_millis(100)).await,
            outcome => return outcome,
        }
    }
    start().await
}
