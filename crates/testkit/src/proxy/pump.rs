use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::faults::{Faults, Flow, Way};

/// What one direction keeps on its way; more is left in the sender's buffers.
const ROOM: usize = 256 * 1024;
const CHUNK: usize = 16 * 1024;

/// Carries bytes one way until their end, which it passes on.
pub(crate) async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    way: Way,
    mut faults: watch::Receiver<Faults>,
) -> io::Result<()> {
    let mut pipe = Pipe::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        let now = *faults.borrow_and_update();
        let flow = now.flow(way);
        if flow == Flow::Pass && pipe.is_done() {
            return to.shutdown().await;
        }
        if flow == Flow::Swallow {
            pipe.chunks.clear();
            pipe.held = 0;
        }
        let reads = flow != Flow::Stall && !pipe.ended && pipe.held < ROOM;
        tokio::select! {
            read = from.read(&mut chunk), if reads => match read? {
                0 => pipe.ended = true,
                _ if flow == Flow::Swallow => {}
                count => pipe.put(chunk.iter().take(count).copied().collect(), now.delay),
            },
            () = pipe.due(&now), if flow == Flow::Pass => {
                if let Some(bytes) = pipe.take(now.rate) {
                    to.write_all(&bytes).await?;
                }
            }
            changed = faults.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// Bytes on their way, each chunk with the time it entered and the time it may leave.
#[derive(Default)]
struct Pipe {
    chunks: VecDeque<(Instant, Vec<u8>)>,
    held: usize,
    ended: bool,
    /// When the line is free again, if it is slow.
    free: Option<Instant>,
}

impl Pipe {
    fn is_done(&self) -> bool {
        self.ended && self.chunks.is_empty()
    }

    fn put(&mut self, bytes: Vec<u8>, delay: Duration) {
        self.held += bytes.len();
        self.chunks.push_back((Instant::now() + delay, bytes));
    }

    /// Until the first chunk may leave.
    async fn due(&self, faults: &Faults) {
        let Some((due, _)) = self.chunks.front() else {
            return pending().await;
        };
        // Healed: neither waits any longer.
        let due = (!faults.delay.is_zero()).then_some(*due);
        let free = faults.rate.and(self.free);
        if let Some(time) = due.max(free) {
            sleep_until(time).await;
        }
    }

    /// The first chunk, or as much of it as a slow line takes in a twentieth of a second.
    fn take(&mut self, rate: Option<u32>) -> Option<Vec<u8>> {
        let (due, mut bytes) = self.chunks.pop_front()?;
        if let Some(rate) = rate {
            let most = usize::try_from(rate / 20).unwrap_or(CHUNK).max(1);
            if bytes.len() > most {
                self.chunks.push_front((due, bytes.split_off(most)));
            }
            let sent = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let takes = Duration::from_secs_f64(f64::from(sent) / f64::from(rate));
            self.free = Some(Instant::now() + takes);
        }
        self.held -= bytes.len();
        Some(bytes)
    }
}
