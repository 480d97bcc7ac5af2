use std::time::Duration;

use tokio::time::Instant;

use crate::statistics::{Outcome, Sample};
use crate::tries::Tries;

/// The time that one attempt takes, counted however it ends.
pub(crate) struct Timing<'a> {
    tries: &'a Tries<'a>,
    began: Instant,
    lent: Option<Instant>,
    executed: Option<Duration>,
    outcome: Outcome,
    rows: u64,
}

impl<'a> Timing<'a> {
    pub(crate) fn begin(tries: &'a Tries<'a>) -> Self {
        Self {
            tries,
            began: Instant::now(),
            lent: None,
            executed: None,
            outcome: Outcome::Cancelled,
            rows: 0,
        }
    }

    /// It has a connection from now on.
    pub(crate) fn lent(&mut self) {
        self.lent = Some(Instant::now());
    }

    /// Since it has a connection.
    pub(crate) fn held(&self) -> Duration {
        self.lent.map(|lent| lent.elapsed()).unwrap_or_default()
    }

    /// Of the time that it has a connection, so much was spent on statements; all of it where
    /// this is not called.
    pub(crate) fn executed(&mut self, executed: Duration) {
        self.executed = Some(executed);
    }

    pub(crate) fn ended(&mut self, is_ok: bool, rows: u64) {
        self.outcome = match (is_ok, self.lent) {
            (true, _) => Outcome::Ok,
            (false, Some(_)) => Outcome::Error,
            (false, None) => Outcome::Refused,
        };
        self.rows = rows;
    }
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let hold = self.lent.map(|lent| now - lent).unwrap_or_default();
        let sample = Sample {
            label: self.tries.label,
            tenant: Some(self.tries.ask.binding.tenant()),
            wait: self.lent.unwrap_or(now) - self.began,
            connect: Duration::ZERO,
            execute: self.executed.unwrap_or(hold),
            hold,
            rows: self.rows,
            outcome: self.outcome,
        };
        self.tries.ask.nodes.statistics.record(&sample, now);
    }
}
