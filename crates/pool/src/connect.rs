//! The task behind a pool: it opens connections for those who wait, and closes those that
//! nobody uses. It ends with the pool, and all it began ends with it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bb8::ManageConnection;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::kept::Kept;
use crate::live::Attempt;
use crate::parts::Parts;

/// How connections are opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Connects {
    /// An attempt that takes longer has failed. Default: 5 s.
    pub timeout: Duration,
    /// So many attempts at one time; none counts as one. More fill a cold pool faster, and open
    /// more connections for a burst than it needs. Default: 2.
    pub at_once: usize,
}

impl Default for Connects {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            at_once: 2,
        }
    }
}

/// How often idle connections are looked at.
const UPKEEP: Duration = Duration::from_secs(1);
/// Between two attempts that failed: doubled each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(crate) async fn run<M: ManageConnection>(parts: Arc<Parts<M>>) {
    let mut tasks = JoinSet::new();
    let mut tick = interval(UPKEEP);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !parts.live.is_closed() {
        // Cancel safety: a permit of `changed` is kept for the next to wait, a tick for the
        // next to ask.
        let is_tick = tokio::select! {
            () = parts.live.changed.notified() => false,
            _ = tick.tick() => true,
        };
        if is_tick || parts.live.is_crowded() {
            let parts = Arc::clone(&parts);
            // In a task of its own, as the attempts are: a manager may panic.
            tasks.spawn(async move { parts.close_idle() });
        }
        while let Some(ended) = tasks.try_join_next() {
            if ended.is_err_and(|error| error.is_panic()) {
                parts.live.failed("the manager panicked");
            }
        }
        while let Some(attempt) = parts.live.begin() {
            tasks.spawn(open(Arc::clone(&parts), attempt));
        }
    }
}

/// Opens connections, one after another, as long as somebody wants one.
async fn open<M: ManageConnection>(parts: Arc<Parts<M>>, mut attempt: Attempt) {
    let mut pause = FIRST_PAUSE;
    loop {
        let connecting = parts.manager.connect();
        let outcome = match timeout(parts.settings.connects.timeout, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(format!("{error:?}")),
            Err(late) => Err(late.to_string()),
        };
        match outcome {
            Ok(connection) => {
                parts.live.connected();
                let chance = RandomState::new().hash_one(());
                let live = Arc::clone(&parts.live);
                let kept = Kept::new(connection, live, parts.settings.aging, chance);
                // A pool that was closed or made smaller meanwhile takes no more; then the
                // connection is dropped here.
                let _ = parts.idle.add(Box::new(kept));
                parts.live.publish();
                pause = FIRST_PAUSE;
            }
            Err(error) => {
                parts.live.failed(&error);
                sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        }
        // Not earlier: while it pauses nobody else tries in its place.
        drop(attempt);
        // Asked again each time: those who waited may have been served meanwhile.
        match parts.live.begin() {
            Some(next) => attempt = next,
            None => return,
        }
    }
}
