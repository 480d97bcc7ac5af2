use std::time::Duration;

use tokio::time::Instant;

use crate::{Deadlines, Phase};

/// A century or so: far enough to mean never, near enough to be added to any instant.
const NEVER: Duration = Duration::from_secs(3_000_000_000);

/// The way through the phases: it is told what happened and when, and knows where that leads.
#[derive(Debug)]
pub(crate) struct Course {
    deadlines: Deadlines,
    phase: Phase,
    since: Instant,
    is_aborted: bool,
}

/// What has not ended yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    /// The work itself: as a rule the listener and its connections.
    pub(crate) work: bool,
    /// Requests and jobs beside it.
    pub(crate) held: usize,
}

impl Course {
    pub(crate) const fn new(deadlines: Deadlines, now: Instant) -> Self {
        Self {
            deadlines,
            phase: Phase::Starting,
            since: now,
            is_aborted: false,
        }
    }

    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether something was cut off.
    pub(crate) const fn is_aborted(&self) -> bool {
        self.is_aborted
    }

    /// The start is over.
    pub(crate) fn ready(&mut self, now: Instant) {
        if self.phase == Phase::Starting {
            self.enter(Phase::Ready, now);
        }
    }

    /// Asked to stop. Each further time cuts short what is under way.
    pub(crate) fn stop(&mut self, now: Instant) {
        match self.phase {
            // No balancer has been told to send anything.
            Phase::Starting => self.enter(Phase::Closing, now),
            Phase::Ready => self.enter(Phase::Draining, now),
            Phase::Draining | Phase::Closing => {
                self.is_aborted = true;
                self.enter(Phase::Finishing, now);
            }
            Phase::Finishing | Phase::Stopped => self.enter(Phase::Stopped, now),
        }
    }

    /// Time has passed, or something has ended.
    pub(crate) fn tick(&mut self, now: Instant, left: Left) {
        if self.phase < Phase::Closing && !left.work {
            self.enter(Phase::Closing, now);
        }
        // From the deadline and not from now: a late call must not add to the total.
        let deadline = self.deadline().filter(|deadline| *deadline <= now);
        if let (Phase::Draining, Some(deadline)) = (self.phase, deadline) {
            self.enter(Phase::Closing, deadline);
            return self.tick(now, left);
        }
        if self.phase == Phase::Closing {
            if !left.work && left.held == 0 {
                self.enter(Phase::Finishing, now);
            } else if deadline.is_some() {
                self.is_aborted = true;
                self.enter(Phase::Finishing, now);
            }
        }
    }

    /// The close hooks have run, or their time is up.
    pub(crate) fn finished(&mut self, now: Instant) {
        self.enter(Phase::Stopped, now);
    }

    /// When the present phase ends at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let lasts = match self.phase {
            Phase::Draining => self.deadlines.drain,
            Phase::Closing => self.deadlines.grace,
            Phase::Finishing => self.deadlines.close,
            Phase::Starting | Phase::Ready | Phase::Stopped => return None,
        };
        self.since.checked_add(lasts.min(NEVER))
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.since = now;
    }
}
