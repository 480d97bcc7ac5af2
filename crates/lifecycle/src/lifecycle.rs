use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::course::{Course, Left};
use crate::flight::{Flights, Hold};
use crate::hooks::Hooks;
use crate::stats::Counters;
use crate::{Deadlines, Phase, signals};

/// The life of a service, from its start to its end.
///
/// Clones are handles to the same life: give them to whoever has to know of its end.
/// [`run`](Self::run) is what moves it on; see the [crate docs](crate).
#[derive(Clone)]
pub struct Lifecycle {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    /// Held for arithmetic only.
    course: Mutex<Course>,
    phase: watch::Sender<Phase>,
    /// [`Phase::Finishing`] has begun: each request asks, and a watch has a lock.
    finishes: AtomicBool,
    /// Something happened that [`Lifecycle::run`] has to look at.
    pub(crate) changed: Notify,
    pub(crate) flights: Flights,
    pub(crate) hooks: Mutex<Hooks>,
    pub(crate) counters: Counters,
    signals: Mutex<JoinSet<()>>,
}

impl Lifecycle {
    /// A service that is starting.
    #[must_use]
    pub fn new(deadlines: Deadlines) -> Self {
        let shared = Shared {
            course: Mutex::new(Course::new(deadlines, Instant::now())),
            phase: watch::Sender::new(Phase::Starting),
            finishes: AtomicBool::new(false),
            changed: Notify::new(),
            flights: Flights::default(),
            hooks: Mutex::default(),
            counters: Counters::default(),
            signals: Mutex::default(),
        };
        let shared = Arc::new(shared);
        Self { shared }
    }

    /// Says that the start is over: from now on [readiness](crate::Health::readyz) depends on the
    /// checks alone. It does nothing once the service has begun to stop.
    pub fn ready(&self) {
        self.step(|course| course.ready(Instant::now()));
    }

    /// Begins to stop. A second call cuts off what is in flight, a third the close hooks.
    pub fn stop(&self) {
        self.step(|course| course.stop(Instant::now()));
        self.shared.changed.notify_one();
    }

    /// Calls [`stop`](Self::stop) at each SIGTERM and each SIGINT (Ctrl-C), from now until the last
    /// handle is dropped. Call it first of all, so that a signal during the start is heard; a second
    /// call changes nothing.
    ///
    /// # Errors
    ///
    /// When the system does not let the process listen for signals.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its drivers enabled.
    pub fn stop_on_signals(&self) -> std::io::Result<()> {
        let listening = signals::stop(Arc::downgrade(&self.shared))?;
        let mut signals = lock(&self.shared.signals);
        // Two that listen would make two of each signal.
        if signals.is_empty() {
            signals.spawn(listening);
        }
        Ok(())
    }

    /// Where the service is now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.shared.phase.borrow()
    }

    /// Whether the service is in [`Phase::Finishing`] or beyond it.
    pub(crate) fn finishes(&self) -> bool {
        self.shared.finishes.load(Ordering::Relaxed)
    }

    /// The phases as they come.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.shared.phase.subscribe()
    }

    /// Resolves once the service is in `phase` or beyond it, or is gone: `until(Phase::Draining)` is
    /// what tells event streams, WebSockets and jobs to come to their end.
    ///
    /// Cancel safety: nothing is lost when it is dropped.
    pub fn until(&self, phase: Phase) -> impl Future<Output = ()> + Send + use<> {
        let mut watch = self.watch();
        async move {
            // An error says that the lifecycle is gone: there is nothing left to wait for.
            let _ = watch.wait_for(|now| *now >= phase).await;
        }
    }

    /// Keeps [`Phase::Closing`] from ending, within its deadline, until the hold is dropped: for work
    /// that no request waits for.
    pub fn hold(&self) -> Hold {
        Hold::new(&self.shared)
    }

    /// How many [holds](Self::hold) there are, those of
    /// [`InFlightLayer`](crate::InFlightLayer) included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.flights.count()
    }

    /// How many connections [`serve`](Self::serve) has open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.counters.connections()
    }

    /// Runs `hook` once nothing is in flight any more. The hook that was added last runs first,
    /// alone, for up to `within`; then it is dropped, and the next one has its turn. One that panics
    /// does not keep the others from running. What is added after [`Phase::Closing`] never runs.
    pub fn on_close<F, Fut>(&self, name: &'static str, within: Duration, hook: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        lock(&self.shared.hooks).add(name, within, hook);
    }

    /// Tells the course what is left, and whoever waits what became of it. Returns when to be
    /// told again, at the latest.
    pub(crate) fn tick(&self, is_working: bool) -> Option<Instant> {
        let mut deadline = None;
        let is_ending = !is_working || self.phase() > Phase::Ready;
        self.step(|course| {
            let left = Left {
                work: is_working,
                held: self.shared.flights.left(is_ending),
            };
            course.tick(Instant::now(), left);
            deadline = course.deadline();
        });
        deadline
    }

    /// Whether something was cut off, and until when the hooks may run.
    pub(crate) fn cut(&self) -> (bool, Option<Instant>) {
        let course = lock(&self.shared.course);
        (course.is_aborted(), course.deadline())
    }

    pub(crate) fn finished(&self) {
        self.step(|course| course.finished(Instant::now()));
    }

    fn step(&self, step: impl FnOnce(&mut Course)) {
        let phase = {
            let mut course = lock(&self.shared.course);
            step(&mut course);
            course.phase()
        };
        if phase >= Phase::Finishing {
            self.shared.finishes.store(true, Ordering::Relaxed);
        }
        // Only forward: another step may have been published in between.
        let moved = self.shared.phase.send_if_modified(|now| {
            let is_later = phase > *now;
            *now = phase.max(*now);
            is_later
        });
        if moved {
            tracing::info!(phase = phase.name(), "lifecycle");
        }
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle")
            .field("phase", &self.phase())
            .field("in_flight", &self.in_flight())
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

/// What is under these locks is whole at any time, so a panic elsewhere does not harm it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
