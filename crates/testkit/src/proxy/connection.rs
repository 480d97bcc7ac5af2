use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::faults::{Faults, Way};
use super::pump::pump;

/// How long a connection that is being made may take when it is to end.
const MOMENT: Duration = Duration::from_millis(100);

/// Carries one connection until both ends are closed, or an ending after `before` ends it.
pub(crate) async fn carry(
    mut client: TcpStream,
    upstream: SocketAddr,
    mut faults: watch::Receiver<Faults>,
    before: u64,
) {
    let ended = async |faults: &mut watch::Receiver<Faults>| {
        let ending = faults.wait_for(|faults| faults.ending.number > before);
        ending.await.is_ok_and(|faults| faults.ending.by_reset)
    };
    let mut connecting = pin!(TcpStream::connect(upstream));
    let mut server = tokio::select! {
        connected = &mut connecting => match connected {
            Ok(server) => server,
            // The server is away: the client is to see an error and not a good end.
            Err(_) => return reset(&client),
        },
        by_reset = ended(&mut faults) => {
            // The server may have the connection, and is to see the same.
            let connected = timeout(MOMENT, connecting).await;
            if by_reset {
                reset(&client);
                if let Ok(Ok(server)) = &connected {
                    reset(server);
                }
            }
            return;
        }
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let outcome = {
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        let there = pump(client_read, server_write, Way::ToServer, faults.clone());
        let back = pump(server_read, client_write, Way::ToClient, faults.clone());
        tokio::select! {
            carried = async { tokio::try_join!(there, back) } => carried.map(drop),
            by_reset = ended(&mut faults) => match by_reset {
                true => Err(io::ErrorKind::ConnectionReset.into()),
                false => Ok(()),
            }
        }
    };
    if outcome.is_err() {
        // One end was reset, so the other one is.
        reset(&client);
        reset(&server);
    } else {
        let _ = tokio::join!(client.shutdown(), server.shutdown());
    }
}

/// Dropping the socket sends RST from now on.
fn reset(socket: &TcpStream) {
    let _unconnected = socket.set_zero_linger();
}
