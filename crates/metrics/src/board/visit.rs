use std::sync::Arc;

use tokio::time::Instant;

use crate::board::slot::{Outcome, Slot};
use crate::clock;

/// One request until it is answered: dropped before, it is counted as well.
#[derive(Debug)]
pub(crate) struct Visit {
    slot: Arc<Slot>,
    since: Instant,
    /// The service is being run: dropped now, it is by a panic.
    running: bool,
    over: bool,
}

impl Visit {
    #[inline]
    pub(crate) fn new(slot: Arc<Slot>) -> Self {
        Self {
            slot,
            since: clock::begin(),
            running: false,
            over: false,
        }
    }

    /// Between two of these runs what may panic. No closure: a request is long to move.
    #[inline]
    pub(crate) const fn running(&mut self, running: bool) {
        self.running = running;
    }

    #[inline]
    pub(crate) fn end(&mut self, outcome: Outcome) {
        if !self.over {
            self.over = true;
            self.slot.record(outcome, self.since, clock::end());
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.end(if self.running {
            Outcome::Failed
        } else {
            Outcome::Dropped
        });
    }
}
