//! Looks after the gates: lets them close when the server has answered, and asks now and then
//! whose data it has.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use towerblock_breaker::Permit;

use crate::Error;
use crate::check::check;
use crate::gates::passes;
use crate::shared::Shared;

/// A server that lost its data is known so soon.
const ROUTINE: Duration = Duration::from_secs(1);

/// Until it is dropped.
pub(crate) async fn keep(shared: &Shared) {
    let (mut read, mut write) = (shared.gates.read.watch(), shared.gates.write.watch());
    let mut next = Instant::now();
    let mut was_live = false;
    let mut recovering = false;
    loop {
        let woken = async {
            tokio::select! {
                () = shared.news.notified() => {}
                _ = read.changed() => {}
                _ = write.changed() => {}
            }
        };
        let _late = timeout_at(next, woken).await;
        let is_live = shared.is_live();
        // What was closed to all for want of a connection is not for users to try.
        recovering = is_live && (recovering || !was_live);
        was_live = is_live;
        if recovering || (is_live && Instant::now() >= next) {
            recovering = !examine(shared).await && recovering;
        }
        shared.publish();
        let pause = if recovering {
            Duration::from_millis(50)
        } else {
            ROUTINE
        };
        if recovering || Instant::now() >= next {
            next = Instant::now() + pause;
        }
    }
}

/// Asks the server, for the gates that would let a call pass now. Whether both have been told.
async fn examine(shared: &Shared) -> bool {
    let gates = &shared.gates;
    let read = gates.admit(false).ok();
    let write = gates.admit(true).ok();
    let told = |permit: &Option<Permit<'_>>, gate| permit.is_some() || passes(gate);
    let all = told(&read, &gates.read) && told(&write, &gates.write);
    if read.is_none() && write.is_none() {
        return false;
    }
    let Some((link, wire)) = shared.pick() else {
        // Nothing was learned.
        read.into_iter().chain(write).for_each(Permit::ignore);
        return false;
    };
    let (reads, writes) = match check(&wire, &shared.settings).await {
        Ok(found) => {
            link.answered();
            shared.found(found.epoch);
            (Ok(()), found.writes)
        }
        Err(error) => (Err(error.clone()), Err::<(), Error>(error)),
    };
    for (is_write, permit, result) in [(false, read, reads), (true, write, writes)] {
        if let Some(permit) = permit {
            gates.finish(is_write, permit, &result);
        }
    }
    all
}
