//! What needs to see inside. Here, not in the files, since `tests/loom.rs` builds these again.

mod backoff;
mod buckets;
mod keyed;
mod model;
mod probes;
mod ring;
mod switch;
mod tagged;
mod window;
mod word;

use std::time::Duration;

use crate::mark::{Admitted, Change, Finished, Mark};
use crate::switch::Switch;
use crate::{Backoff, Policy, State};

/// 1 second, then 2, 4, 8 and no longer.
fn backoff() -> Backoff {
    Backoff::from(Duration::from_secs(1))
        .at_most(Duration::from_secs(8))
        .jitter_percent(0)
}

const GOOD: Mark = Mark::Done {
    failed: false,
    slow: false,
};
const BAD: Mark = Mark::Done {
    failed: true,
    slow: false,
};
const SLOW: Mark = Mark::Done {
    failed: false,
    slow: true,
};

/// A switch with its policy and a clock.
struct Bench {
    policy: Policy,
    switch: Switch,
    now: u64,
}

impl Bench {
    fn new(policy: Policy) -> Self {
        Self::since(policy, 0)
    }

    fn since(policy: Policy, generation: u32) -> Self {
        let switch = Switch::since(&policy, 7, generation);
        let now = 0;
        Self {
            policy,
            switch,
            now,
        }
    }

    fn state(&self) -> State {
        self.switch.word().state()
    }

    fn admit(&self) -> Admitted {
        self.switch.admit(&self.policy, self.now)
    }

    /// The generation that somebody is admitted in.
    fn enter(&self) -> Option<u32> {
        match self.admit() {
            Admitted::Passes(generation) => Some(generation),
            Admitted::Begins(change) => Some(change.generation),
            Admitted::Not(_) => None,
        }
    }

    fn finish(&self, generation: u32, mark: Mark) -> Finished {
        self.switch.finish(&self.policy, generation, self.now, mark)
    }

    /// A call from its beginning to its end; whether it was admitted.
    fn call(&self, mark: Mark) -> bool {
        let generation = self.enter();
        generation.is_some_and(|generation| {
            self.finish(generation, mark);
            true
        })
    }

    /// How many such calls it takes to open, of at most 1,000.
    fn opens_after(&self, mark: Mark) -> usize {
        (0..1_000)
            .position(|_| !self.call(mark))
            .unwrap_or(usize::MAX)
    }

    /// Opens it, and how long it stays so.
    fn open(&self) -> u64 {
        while self.call(BAD) {}
        self.wait()
    }

    fn wait(&self) -> u64 {
        match self.admit() {
            Admitted::Not(Some(wait)) => wait,
            other => panic!("{other:?}"),
        }
    }

    /// Opens it, and waits until it may be probed.
    fn open_and_wait(&mut self) {
        self.now += self.open();
    }
}

fn changed(finished: Finished) -> Option<Change> {
    match finished {
        Finished::Changed(change) => Some(change),
        Finished::Noted | Finished::Stale => None,
    }
}
