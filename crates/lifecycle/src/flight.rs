use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::lifecycle::Shared;

/// The lowest bit: somebody wants to be told when nothing is in flight.
const WATCHED: usize = 1;
const ONE: usize = 2;

/// How much is in flight. One word, so that of the last one to end and the one who begins to watch
/// either sees the other.
#[derive(Debug, Default)]
pub(crate) struct Flights(AtomicUsize);

impl Flights {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed) / ONE
    }

    /// How many there are; with `watched`, the last one to end says so.
    pub(crate) fn left(&self, watched: bool) -> usize {
        let watched = usize::from(watched) * WATCHED;
        // Acquire: whoever sees zero sees what was done in flight.
        self.0.fetch_or(watched, Ordering::Acquire) / ONE
    }

    fn begin(&self) {
        self.0.fetch_add(ONE, Ordering::Relaxed);
    }

    /// Whether it was the last one, and somebody waits for it.
    fn end(&self) -> bool {
        self.0.fetch_sub(ONE, Ordering::Release) == ONE | WATCHED
    }
}

/// Something is in flight until this is dropped.
///
/// Made by [`Lifecycle::hold`](crate::Lifecycle::hold).
#[must_use = "it holds for as long as it is kept"]
pub struct Hold(Arc<Shared>);

impl Hold {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        shared.flights.begin();
        Self(Arc::clone(shared))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.0.flights.end() {
            self.0.changed.notify_one();
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").finish_non_exhaustive()
    }
}
