//! What is known of one server: how busy and how fast it is, whether it fails, how far it is.

mod ejection;
mod latency;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::ejection::{Ejection, Health};
use self::latency::Latency;
use crate::lsn::Position;

/// One server as its callers and the monitor tell of it. Shared by `Arc`.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Orders nothing else.
    in_flight: AtomicUsize,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    latency: Latency,
    ejection: Ejection,
    seen: Option<Seen>,
}

/// What the monitor found when it last asked the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) in_recovery: bool,
    /// What it replayed, or, not in recovery, what it wrote. The timeline is that of the log
    /// it replays; a standby's control file tells it only from its next restart point on.
    pub(crate) position: Position,
    /// `None` when it is not known.
    pub(crate) lag: Option<Duration>,
}

/// [`Standing`] at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) in_flight: usize,
    pub(crate) latency: Duration,
    pub(crate) health: Health,
    pub(crate) seen: Option<Seen>,
}

impl Standing {
    /// Counts a call until the guard is dropped, however it ends.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// A call took so long, and the server answered: an error of SQL is an answer too.
    pub(crate) fn answered(&self, took: Duration, now: Instant) {
        let mut told = self.told();
        told.latency.took(took, now);
        told.ejection.answered();
    }

    /// A call failed for the server's sake: refused, broken, out of time. `random` spreads the
    /// time until it is tried again. Whether this ejected it.
    pub(crate) fn failed(&self, random: u64, now: Instant) -> bool {
        self.told().ejection.failed(random, now)
    }

    /// The monitor cannot reach it. Whether that is news.
    pub(crate) fn died(&self, random: u64, now: Instant) -> bool {
        self.told().ejection.died(random, now)
    }

    /// The monitor reached it. Whether it was dead.
    pub(crate) fn saw(&self, seen: Seen) -> bool {
        let mut told = self.told();
        told.seen = Some(seen);
        told.ejection.lives(seen.at)
    }

    pub(crate) fn candidate(&self, now: Instant) -> Candidate {
        let told = self.told();
        Candidate {
            in_flight: self.in_flight.load(Ordering::Relaxed),
            latency: told.latency.at(now),
            health: told.ejection.at(now),
            seen: told.seen,
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // No user code runs under this lock, so what is told is whole.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call to a server; dropping it ends the call.
#[derive(Debug)]
#[must_use = "dropping it ends the call"]
pub(crate) struct InFlight(Arc<Standing>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Health, Seen, Standing};
    use crate::lsn::{Lsn, Position};

    #[test]
    fn a_call_counts_until_it_is_dropped() {
        let standing = Arc::new(Standing::default());
        let in_flight = || standing.candidate(Instant::now()).in_flight;
        let (first, second) = (standing.begin(), standing.begin());
        assert_eq!(in_flight(), 2);
        drop(first);
        assert_eq!(in_flight(), 1);
        drop(second);
        assert_eq!(in_flight(), 0);
    }

    #[test]
    fn what_is_told_is_shown() {
        let (standing, now) = (Standing::default(), Instant::now());
        assert_eq!(standing.candidate(now).seen, None);
        standing.answered(Duration::from_millis(7), now);
        assert_eq!(standing.candidate(now).latency, Duration::from_millis(7));
        let seen = Seen {
            at: now,
            in_recovery: true,
            position: Position::new(1, Lsn(2)),
            lag: None,
        };
        assert!(standing.died(0, now));
        assert_eq!(standing.candidate(now).health, Health::Dead);
        assert!(standing.saw(seen) && !standing.saw(seen));
        assert_eq!(standing.candidate(now).seen, Some(seen));
        assert!(matches!(
            standing.candidate(now).health,
            Health::Ejected { .. }
        ));
    }

    #[test]
    fn an_answer_between_failures_keeps_a_server() {
        let (standing, now) = (Standing::default(), Instant::now());
        for _ in 0..9 {
            assert!(!standing.failed(0, now) && !standing.failed(0, now));
            standing.answered(Duration::ZERO, now);
        }
        assert!(!standing.failed(0, now) && !standing.failed(0, now));
        assert!(standing.failed(0, now));
    }
}
