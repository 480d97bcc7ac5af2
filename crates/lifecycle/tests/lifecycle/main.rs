//! The phases, the hooks, the checks and the layer, with time that is paused.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod health;
mod layer;
mod phases;

use std::time::Duration;

use towerblock_lifecycle::{Deadlines, Lifecycle};

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// One that is ready, with the usual deadlines.
pub(crate) fn ready() -> Lifecycle {
    let lifecycle = Lifecycle::new(Deadlines::default());
    lifecycle.ready();
    lifecycle
}

/// Compiles, or a caller's `Arc` or `Router` breaks.
#[test]
fn auto_traits() {
    use towerblock_lifecycle::{
        Check, Ending, Fault, Health, Hold, InFlight, InFlightBody, InFlightLayer, Peer, Phase,
        Probe, Report, ResponseFuture, Timeouts,
    };
    fn shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn sendable<T: Send + Sync + Unpin + 'static>() {}
    shareable::<Check>();
    shareable::<Deadlines>();
    shareable::<Ending>();
    shareable::<Fault>();
    shareable::<Health>();
    shareable::<InFlight<()>>();
    shareable::<InFlightLayer>();
    shareable::<Lifecycle>();
    shareable::<Peer>();
    shareable::<Phase>();
    shareable::<Probe>();
    shareable::<Report>();
    shareable::<Timeouts>();
    sendable::<Hold>();
    sendable::<InFlightBody<()>>();
    sendable::<ResponseFuture<()>>();
}
