//! The orderly end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use towerblock_cache::Relay;
use towerblock_lifecycle::Lifecycle;

use crate::state::Shared;

/// What a request that was cut off left in use is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// For a hook that waits for so long, and does something then.
const WITHIN: Duration = Duration::from_millis(2_500);

/// Once no request is in flight any more, closes what stands on something else before it.
/// `tasks` look after the database.
pub(crate) fn in_order(lifecycle: &Lifecycle, state: &Shared, tasks: JoinSet<()>) {
    // The last one added is the first one run.
    let of = Arc::clone(state);
    lifecycle.on_close("database", WITHIN, || async move {
        drop(tasks);
        let in_use = of.store.close(PATIENCE).await;
        tracing::info!(in_use, "closed the connections to the database");
    });
    if let Some(redis) = state.caches.redis.clone() {
        lifecycle.on_close("redis", WITHIN, || async move { redis.close().await });
    }
    let hub = state.caches.hub.clone();
    lifecycle.on_close("cache", WITHIN, || async move {
        hub.shutdown(PATIENCE).await;
    });
    let of = Arc::clone(state);
    lifecycle.on_close("outbox relay", WITHIN, || async move {
        of.relay.as_deref().into_iter().for_each(Relay::stop);
    });
    let of = Arc::clone(state);
    lifecycle.on_close("calls", WITHIN, || async move {
        of.limits.calls.shutdown(&*of.store, PATIENCE).await;
    });
    // What was written is forgotten before what keeps it ends.
    let of = Arc::clone(state);
    lifecycle.on_close("writes", WITHIN, || async move {
        of.writes.shutdown(PATIENCE).await;
    });
}
