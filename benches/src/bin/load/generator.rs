//! Users who ask at their own pace, whatever the answers take.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::client::Connection;
use crate::mix::{Dice, Mix, Tenants};
use crate::question::{Kind, Pages};
use crate::recording::{Ending, Recording};

/// After that nobody waits any longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections that are opened at once.
const OPENING: usize = 128;
/// Recordings, so that the two cores seldom meet at one.
const SHARDS: usize = 16;

/// When the next request is due.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many per second in all, and latency counts from when each was due.
    Open(f64),
    /// As soon as the last was answered.
    Closed,
}

/// A number of users, each with a connection.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    pub(crate) tenants: Tenants,
    pub(crate) mix: Mix,
}

impl Load {
    /// Has them all ask for that long.
    pub(crate) async fn run(&self, time: Duration) -> Recording {
        self.run_with(&Arc::new(Pages::new()), time).await
    }

    /// When it is known already where some first pages lead.
    pub(crate) async fn run_with(&self, pages: &Arc<Pages>, time: Duration) -> Recording {
        let users = self.users().await;
        self.ask(users, pages, time).await
    }

    /// The same, of users who have their connections.
    pub(crate) async fn ask(
        &self,
        users: Vec<Connection>,
        pages: &Arc<Pages>,
        time: Duration,
    ) -> Recording {
        let start = Instant::now();
        let end = start + time;
        let shards: Arc<[_]> = (0..SHARDS)
            .map(|_| Mutex::new(Recording::lasting(time)))
            .collect();
        let mut running = JoinSet::new();
        for (n, connection) in users.into_iter().enumerate() {
            let user = User {
                connection,
                dice: Dice::new(seed(), self.tenants, self.mix),
                pages: Arc::clone(pages),
                start,
            };
            let shards = Arc::clone(&shards);
            let period = self.period();
            running.spawn(async move {
                let record = |due: Instant, ending| {
                    let Some(shard) = shards.get(n % SHARDS) else {
                        return;
                    };
                    let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                    shard.add(due.duration_since(start), due.elapsed(), ending);
                };
                user.ask_until(end, period, record).await;
            });
        }
        // A user ends within its patience after the end.
        while running.join_next().await.is_some() {}
        let mut whole = Recording::lasting(time);
        for shard in &*shards {
            whole.merge(&shard.lock().unwrap_or_else(PoisonError::into_inner));
        }
        whole
    }

    /// Connections that are open, so that opening is no part of what is measured.
    pub(crate) async fn users(&self) -> Vec<Connection> {
        let mut users = Vec::with_capacity(self.connections);
        let mut opening = JoinSet::new();
        for address in self.addresses.iter().cycle().take(self.connections) {
            let mut connection = Connection::to(*address);
            opening.spawn(async move {
                // One that cannot be opened tries again with its first request.
                let _ = connection.open().await;
                connection
            });
            if opening.len() == OPENING {
                users.extend(opening.join_next().await.and_then(Result::ok));
            }
        }
        while let Some(opened) = opening.join_next().await {
            users.extend(opened.ok());
        }
        users
    }

    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    fn period(&self) -> Duration {
        match self.pace {
            Pace::Open(rate) => Duration::from_secs_f64(self.connections as f64 / rate),
            Pace::Closed => Duration::ZERO,
        }
    }
}

/// Another for each user of each load, and the same each time the program runs: what was asked for
/// while a server became warm says nothing of what is asked for then.
pub(crate) fn seed() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

struct User {
    connection: Connection,
    dice: Dice,
    pages: Arc<Pages>,
    start: Instant,
}

impl User {
    async fn ask_until(mut self, end: Instant, period: Duration, record: impl Fn(Instant, Ending)) {
        let is_closed = period.is_zero();
        let mut due = self.start + period.mul_f64(self.dice.fraction());
        let mut request = Vec::new();
        while due < end {
            sleep_until(due).await;
            let ending = self.once(&mut request).await;
            record(due, ending);
            due = if is_closed {
                Instant::now()
            } else {
                due + period
            };
            if ending == Ending::Failed && is_closed {
                due += Duration::from_millis(10);
            }
        }
    }

    async fn once(&mut self, request: &mut Vec<u8>) -> Ending {
        let question = self.dice.next();
        let kind = question.write(&self.pages, request);
        match timeout(PATIENCE, self.connection.ask(request)).await {
            Ok(Ok(answer)) => {
                if kind == Kind::FirstPage {
                    self.pages.note(question.tenant, answer.next);
                }
                Ending::of(answer.status, answer.is_degraded)
            }
            Ok(Err(_)) => Ending::Failed,
            Err(_) => {
                self.connection = self.connection.anew();
                Ending::Failed
            }
        }
    }
}
