use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use towerblock_core::BoxError;

use super::{Check, Verdict};
use crate::lifecycle::lock;

/// A check, and what came of it last.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) check: Check,
    latest: Mutex<Latest>,
}

#[derive(Clone, Debug)]
pub(crate) struct Latest {
    pub(crate) verdict: Verdict,
    /// When it answered, and how long that took.
    pub(crate) answered: Option<(Instant, Duration)>,
    /// What it said when it failed last, unless it has passed since.
    pub(crate) output: Option<String>,
}

impl Watched {
    pub(crate) fn new(check: Check) -> Self {
        let latest = Latest {
            verdict: Verdict::new(check.fall, check.rise),
            answered: None,
            output: None,
        };
        let latest = Mutex::new(latest);
        Self { check, latest }
    }

    pub(crate) fn latest(&self) -> Latest {
        lock(&self.latest).clone()
    }

    /// Whether it stands in the way of requests.
    pub(crate) fn blocks(&self) -> bool {
        self.check.is_critical && lock(&self.latest).verdict.passes() != Some(true)
    }

    /// Asks again and again, one question at a time however many want to know.
    pub(crate) async fn watch(self: Arc<Self>) {
        loop {
            let asked = Instant::now();
            let answer = self.ask().await;
            self.hear(asked, answer);
            sleep(self.check.every).await;
        }
    }

    async fn ask(&self) -> Result<(), BoxError> {
        // In a task of its own, so that its panic does not end the watch.
        let mut task = JoinSet::new();
        let ask = Arc::clone(&self.check.ask);
        task.spawn(async move { ask().await });
        match timeout(self.check.within, task.join_next()).await {
            Ok(Some(Ok(answer))) => answer,
            Ok(_) => Err("the check panicked".into()),
            Err(_elapsed) => Err(format!("no answer within {:?}", self.check.within).into()),
        }
    }

    fn hear(&self, asked: Instant, answer: Result<(), BoxError>) {
        let passed = answer.is_ok();
        let output = answer.err().map(|error| error.to_string());
        let said = output.clone().unwrap_or_default();
        let changed = {
            let mut latest = lock(&self.latest);
            latest.answered = Some((Instant::now(), asked.elapsed()));
            latest.output = output;
            latest.verdict.hear(passed)
        };
        let (check, is_critical) = (&*self.check.name, self.check.is_critical);
        match (changed, passed) {
            (true, true) => tracing::info!(check, is_critical, "passes"),
            (true, false) => tracing::warn!(check, is_critical, output = said, "fails"),
            (false, _) => {}
        }
    }
}
