//! Clients that go on whatever happens, and what they saw.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::Answer;
use crate::program::Server;

/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(10);

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) is_read: bool,
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    pub(crate) status: u16,
    /// A 503 that says when to come again.
    pub(crate) is_refused: bool,
    pub(crate) body: String,
}

impl Seen {
    fn new(is_read: bool, at: Instant, answer: Answer) -> Self {
        Self {
            is_read,
            at,
            took: at.elapsed(),
            status: answer.status,
            is_refused: answer.status == 503 && answer.header("retry-after").is_some(),
            body: answer.body,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.status, 200 | 201)
    }
}

/// Clients that read and write all the time.
pub(crate) struct Load {
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Vec<mpsc::Sender<()>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many clients, each of which is told its number and how many times it has asked, and
    /// says whether it read.
    pub(crate) fn start(
        server: &Arc<Server>,
        clients: usize,
        once: impl Fn(&Server, usize, usize) -> (bool, Answer) + Clone + Send + 'static,
    ) -> Self {
        let mut load = Self {
            seen: Arc::default(),
            stop: Vec::new(),
            clients: Vec::new(),
        };
        for n in 0..clients {
            let (stop, stopped) = mpsc::channel();
            let (server, seen) = (Arc::clone(server), Arc::clone(&load.seen));
            let (once, mut times) = (once.clone(), 0);
            load.stop.push(stop);
            load.clients.push(std::thread::spawn(move || {
                while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                    let at = Instant::now();
                    let (is_read, answer) = once(&server, n, times);
                    times += 1;
                    seen.lock().unwrap().push(Seen::new(is_read, at, answer));
                }
            }));
        }
        load
    }

    /// What was begun since then and has been answered.
    pub(crate) fn since(&self, from: Instant) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|one| one.at >= from).cloned().collect()
    }

    pub(crate) fn writes_since(&self, from: Instant) -> Vec<Seen> {
        let mut writes = self.since(from);
        writes.retain(|one| !one.is_read);
        writes
    }

    pub(crate) fn end(mut self) -> Vec<Seen> {
        self.stop.clear();
        for client in self.clients.drain(..) {
            client.join().unwrap();
        }
        let mut seen = self.seen.lock().unwrap();
        std::mem::take(&mut *seen)
    }
}

/// Each client holds the server, which would outlive a test that fails.
impl Drop for Load {
    fn drop(&mut self) {
        self.stop.clear();
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
    }
}

/// The time that 99 in a hundred took no longer than.
pub(crate) fn slowest(seen: &[Seen]) -> Duration {
    let mut times: Vec<_> = seen.iter().map(|one| one.took).collect();
    times.sort_unstable();
    times[times.len().saturating_sub(1) * 99 / 100]
}
