//! How the service is, for those who send it requests and for those who look after it.

mod check;
mod probe;
mod report;
mod verdict;
mod watched;

use std::fmt;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

pub use self::{check::Check, probe::Probe, report::Report};
pub(crate) use self::{verdict::Verdict, watched::Watched};
use crate::{Lifecycle, Phase};

/// What the checks of a service say, and the routes that tell it.
///
/// The checks are asked in the background, until the service finishes or the last clone is dropped;
/// the routes only read what they said last.
#[derive(Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

struct Shared {
    lifecycle: Lifecycle,
    checks: Vec<Arc<Watched>>,
    started: Instant,
    /// Ends them all when it is dropped.
    _watching: JoinSet<()>,
}

impl Health {
    /// Asks each of `checks` now, and from then on again and again. Until a critical one has passed once,
    /// the service is not ready.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer enabled.
    #[must_use]
    pub fn start(lifecycle: &Lifecycle, checks: impl IntoIterator<Item = Check>) -> Self {
        let watched = |check| Arc::new(Watched::new(check));
        let checks: Vec<_> = checks.into_iter().map(watched).collect();
        let mut watching = JoinSet::new();
        for check in &checks {
            let check = Arc::clone(check);
            let finishing = lifecycle.until(Phase::Finishing);
            watching.spawn(async move {
                tokio::select! {
                    () = check.watch() => {}
                    // What it asks is closed by then, and no news.
                    () = finishing => {}
                }
            });
        }
        let shared = Shared {
            lifecycle: lifecycle.clone(),
            checks,
            started: Instant::now(),
            _watching: watching,
        };
        let shared = Arc::new(shared);
        Self { shared }
    }

    /// Whether this instance should get requests: started, not stopping, and all critical checks
    /// pass.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.lifecycle.phase() == Phase::Ready && !self.checks().any(Watched::blocks)
    }

    /// Answers 200 for as long as the process answers at all, whatever it depends on.
    pub fn livez(&self) -> Probe {
        Probe::live(self.clone())
    }

    /// Answers 200 while the service [is ready](Self::is_ready), and 503 otherwise.
    pub fn readyz(&self) -> Probe {
        Probe::ready(self.clone())
    }

    /// Answers 503 until [`Lifecycle::ready`] was called, and 200 from then on.
    pub fn startupz(&self) -> Probe {
        Probe::started(self.clone())
    }

    /// Answers with `application/health+json`: see [`Report`].
    pub fn report(&self) -> Report {
        Report::new(self.clone())
    }

    pub(crate) fn phase(&self) -> Phase {
        self.shared.lifecycle.phase()
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.shared.lifecycle
    }

    pub(crate) fn started(&self) -> Instant {
        self.shared.started
    }

    pub(crate) fn checks(&self) -> impl Iterator<Item = &Watched> {
        self.shared.checks.iter().map(AsRef::as_ref)
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("is_ready", &self.is_ready())
            .field("checks", &self.shared.checks)
            .finish_non_exhaustive()
    }
}
