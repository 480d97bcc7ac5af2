use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Direction, End, Faults};

/// Carries one client's connection to the server and back, until it ends or is ended.
pub(super) async fn carry(
    mut client: TcpStream,
    upstream: SocketAddr,
    mut faults: watch::Receiver<Faults>,
) {
    let before = faults.borrow().ends;
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        return;
    };
    for stream in [&client, &server] {
        // Without it a delay is not the delay that was asked for; it cannot fail here.
        let _ = stream.set_nodelay(true);
    }
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let now = faults.clone();
        let both = async {
            tokio::join!(
                pump(from_client, to_server, Direction::ToServer, &now),
                pump(from_server, to_client, Direction::ToClient, &now),
            )
        };
        tokio::select! {
            _ = both => return,
            told = faults.wait_for(|faults| faults.ends != before) => match told {
                Ok(told) => told.end,
                Err(_) => return,
            },
        }
    };
    match end {
        End::Cut => {}
        End::Reset => {
            for stream in [&client, &server] {
                let _ = stream.set_zero_linger();
            }
        }
        End::HalfOpen => {
            drop(server);
            let ends = faults.borrow_and_update().ends;
            let mut lost = [0; 4_096];
            loop {
                tokio::select! {
                    read = client.read(&mut lost) => if !matches!(read, Ok(1..)) { return },
                    changed = faults.changed() => {
                        let now = *faults.borrow_and_update();
                        let healed = now.ends == ends;
                        if changed.is_err() || healed || matches!(now.end, End::Cut) { return }
                    }
                }
            }
        }
    }
}

/// Carries one direction until its end; then the other side reads its end as well.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    direction: Direction,
    faults: &watch::Receiver<Faults>,
) {
    // Bytes under way, so that a delay costs time and not throughput.
    let (sender, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(256);
    let read = async move {
        let mut bytes = vec![0; 16 * 1_024];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            let now = *faults.borrow();
            let Some(read) = bytes.get(..count).filter(|_| !now.loses(direction)) else {
                continue;
            };
            let due = Instant::now() + now.delay;
            if sender.send((due, read.to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = under_way.recv().await {
            sleep_until(due).await;
            if write_slowly(&mut to, &bytes, faults).await.is_err() {
                return;
            }
        }
        // The peer may be gone already.
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

async fn write_slowly(
    to: &mut WriteHalf<'_>,
    bytes: &[u8],
    faults: &watch::Receiver<Faults>,
) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let rate = faults.borrow().bytes_per_second;
        let Some(rate) = rate else {
            return to.write_all(rest).await;
        };
        let (now, later) = rest.split_at(rest.len().min(64));
        to.write_all(now).await?;
        let bytes = u32::try_from(now.len()).unwrap_or(u32::MAX);
        sleep(Duration::from_secs(1) * bytes / rate.get()).await;
        rest = later;
    }
    Ok(())
}
