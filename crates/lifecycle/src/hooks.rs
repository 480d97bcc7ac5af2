use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::Fault;

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is to be done at the end, in the order in which it was added.
#[derive(Debug, Default)]
pub(crate) struct Hooks(Vec<Hook>);

pub(crate) struct Hook {
    pub(crate) name: &'static str,
    within: Duration,
    start: Box<dyn FnOnce() -> Running + Send>,
}

impl Hooks {
    pub(crate) fn add<F, Fut>(&mut self, name: &'static str, within: Duration, hook: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.push(Hook {
            name,
            within,
            start: Box::new(|| Box::pin(hook())),
        });
    }

    /// What was opened last is closed first: it may stand on what was opened before.
    pub(crate) fn next(&mut self) -> Option<Hook> {
        self.0.pop()
    }
}

impl Hook {
    /// Runs it, for as long as it may and not beyond `deadline`.
    ///
    /// Cancel safety: dropping this ends the hook.
    pub(crate) async fn run(self, deadline: Option<Instant>) -> Result<(), Fault> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let within = left.map_or(self.within, |left| left.min(self.within));
        if within.is_zero() {
            return Err(Fault::Skipped);
        }
        // In a task of its own, so that its panic ends nothing else.
        let mut task = JoinSet::new();
        let start = self.start;
        task.spawn(async move { start().await });
        match timeout(within, task.join_next()).await {
            Ok(Some(Err(_panic))) => Err(Fault::Panicked),
            Ok(_) => Ok(()),
            Err(_elapsed) => Err(Fault::TimedOut),
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("name", &self.name)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}
