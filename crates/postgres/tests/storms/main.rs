//! What befalls servers and lines seldom and hard. These tests fill the machine, and have their
//! bounds of time: each runs alone.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

#[path = "../support/authority.rs"]
mod authority;
mod certificates;
mod full;
mod garbled;
mod leaving;
mod meddler;
mod memory;
mod moved;
#[expect(dead_code, reason = "the other binary counts, and makes it slow")]
#[path = "../support/relay.rs"]
mod relay;
mod rewind;
#[path = "../support/stopwatch.rs"]
mod stopwatch;
mod storms;
#[expect(dead_code, reason = "the other binary has more of it")]
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/told.rs"]
mod told;

use tokio::sync::{Semaphore, SemaphorePermit};

use self::support::{
    PATIENCE, attempts, budget, cluster, known, number, schema, servers, set_up, through, until,
};

static ROOM: Semaphore = Semaphore::const_new(1);

/// Until the test ends, no other one of these runs.
async fn alone() -> SemaphorePermit<'static> {
    ROOM.acquire().await.unwrap()
}
