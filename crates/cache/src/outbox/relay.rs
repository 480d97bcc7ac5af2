use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::Client;
use towerblock_core::{BoxError, Metric, Stats, Value};

use super::desk::Desk;
use super::pace::Pace;
use super::rounds::Rounds;
use super::{Outbox, OutboxError};
use crate::Hub;
use crate::shared::Shared;

static SEEN: Metric = Metric::counter(
    "cache_outbox_seen",
    "",
    "Notes found: each twice where Redis is told",
);
static TOLD: Metric = Metric::counter("cache_outbox_told", "", "Notes that Redis was told of");
static ERRORS: Metric = Metric::counter("cache_outbox_errors", "", "Rounds that failed");
static SILENT: Metric = Metric::gauge(
    "cache_outbox_silent_seconds",
    "seconds",
    "How long ago the last round ended that did not fail",
);

impl Hub {
    /// Has this instance forget what writers note in `outbox`, and Redis, where there is one,
    /// with all who share it. From now on `invalidate_in` of the caches writes there.
    ///
    /// The relay looks often; what it needs for that is a connection to the primary: `client`
    /// yields a client, or what derefs to one, which is kept until a look fails or takes more
    /// than 5 s. A look is one statement, or two where there is something to tell, and prepares
    /// nothing, so it works through a pooler in transaction mode.
    ///
    /// It ends with the handle, or soon after the hub.
    ///
    /// # Errors
    ///
    /// [`OutboxError::Taken`] when this hub has or had one.
    pub fn relay<F, A, C>(&self, outbox: Outbox, client: F) -> Result<Relay, OutboxError>
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<C, BoxError>> + Send + 'static,
        C: Deref<Target = Client> + Send + Sync + 'static,
    {
        let shared = &self.shared;
        let desk = Arc::new(Desk::of(&outbox));
        if shared.desk.set(Arc::clone(&desk)).is_err() {
            return Err(OutboxError::Taken(outbox.name));
        }
        let counts = Arc::new(Counts::new());
        let rounds = Rounds::new(outbox, desk);
        let relaying = relay(Arc::downgrade(shared), rounds, client, Arc::clone(&counts));
        let task = shared.runtime.spawn(relaying).abort_handle();
        Ok(Relay { task, counts })
    }
}

/// The task that finds what writers have noted; dropping this ends it.
///
/// What is noted without one is found by the relays of other instances.
#[must_use = "a relay that is dropped ends"]
pub struct Relay {
    task: AbortHandle,
    counts: Arc<Counts>,
}

impl Relay {
    /// Ends it, and gives its connection back.
    pub fn stop(&self) {
        self.task.abort();
    }

    /// Why the last round failed, if it did.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.counts.state().error.clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) static METRICS: &[Metric] = &[SEEN, TOLD, ERRORS, SILENT];

impl Stats for Relay {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let silent = self.counts.state().since.elapsed().as_secs_f64();
        sink(&SEEN, "", Value::Count(self.counts.seen.get()));
        sink(&TOLD, "", Value::Count(self.counts.told.get()));
        sink(&ERRORS, "", Value::Count(self.counts.errors.get()));
        sink(&SILENT, "", Value::Level(silent));
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// What a relay has done.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) seen: Sum,
    pub(crate) told: Sum,
    errors: Sum,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When it last worked.
    since: Instant,
    error: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Sum(AtomicU64);

impl Sum {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counts {
    fn new() -> Self {
        let state = State {
            since: Instant::now(),
            error: None,
        };
        Self {
            seen: Sum::default(),
            told: Sum::default(),
            errors: Sum::default(),
            state: Mutex::new(state),
        }
    }

    fn ended(&self, error: Option<BoxError>) {
        let mut state = self.state();
        match error {
            Some(error) => {
                self.errors.add(1);
                state.error = Some(chain(&*error));
            }
            None => {
                *state = State {
                    since: Instant::now(),
                    error: None,
                };
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tokio-postgres says of an error of the database is in its source.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}

/// Looks again and again, until the hub is gone.
async fn relay<F, A, C>(shared: Weak<Shared>, mut rounds: Rounds, client: F, counts: Arc<Counts>)
where
    F: Fn() -> A + Send + Sync + 'static,
    A: Future<Output = Result<C, BoxError>> + Send,
    C: Deref<Target = Client> + Send + Sync,
{
    let mut kept: Option<C> = None;
    let mut pace = Pace::new(rounds.outbox.every, Instant::now());
    loop {
        wait(&rounds.desk, &mut pace).await;
        let Some(hub) = shared.upgrade() else { return };
        // Before the look: what is noted while it is under way hastens the next.
        pace.looked(Instant::now());
        let round = timeout(rounds.outbox.round(), async {
            let lent = match kept.take().filter(|client| !client.is_closed()) {
                Some(client) => client,
                None => client().await?,
            };
            let more = rounds.go(&hub, &lent, &counts).await?;
            kept = Some(lent);
            Ok::<_, BoxError>(more)
        });
        // Cancel safety: that of a round.
        let ended = round.await.unwrap_or_else(|late| Err(late.into()));
        pace.went(ended.is_ok(), Instant::now());
        if matches!(ended, Ok(true)) {
            pace.again(Instant::now());
        }
        counts.ended(ended.err());
    }
}

/// Until it is time to look.
async fn wait(desk: &Desk, pace: &mut Pace) {
    // Cancel safety: a permit is kept for the next to wait.
    while Instant::now() < pace.due() && timeout_at(pace.due(), desk.noted.notified()).await.is_ok()
    {
        pace.hasten(Instant::now());
    }
}
