use std::sync::Arc;

use http::StatusCode;
use tokio::time::Instant;

use crate::http::series::{Failure, Series};

/// What nginx calls a client that went away before it was answered.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// One request until its response has ended: whatever becomes of it, and wherever it is
/// dropped, it is counted once.
#[derive(Debug)]
pub(crate) struct Exchange {
    series: Arc<Series>,
    since: Instant,
    stage: Stage,
    /// The service or the body is being run: dropped now, it is by a panic.
    running: bool,
    /// The answer has no body, whatever it says.
    is_head: bool,
    sent: u64,
    /// What the response said it would send; more than there is if it did not say.
    promised: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Asked,
    Answered,
    Over,
}

impl Exchange {
    #[inline]
    pub(crate) fn new(series: Arc<Series>, is_head: bool) -> Self {
        series.in_flight.increment(1.0);
        Self {
            series,
            since: Instant::now(),
            stage: Stage::Asked,
            running: false,
            is_head,
            sent: 0,
            promised: u64::MAX,
        }
    }

    pub(crate) const fn since(&self) -> Instant {
        self.since
    }

    pub(crate) const fn is_head(&self) -> bool {
        self.is_head
    }

    pub(crate) fn received(&self, bytes: u64) {
        self.series.received.increment(bytes);
    }

    /// The head is there, and the body follows.
    #[inline]
    pub(crate) fn answer(&mut self, status: StatusCode, now: Instant, promised: Option<u64>) {
        self.head(status, now);
        self.promised = promised.unwrap_or(u64::MAX);
        self.stage = Stage::Answered;
    }

    /// The head is there, and no body follows.
    #[inline]
    pub(crate) fn answer_whole(mut self, status: StatusCode, now: Instant) {
        self.head(status, now);
        self.close(now);
    }

    #[inline]
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes as u64);
    }

    #[inline]
    pub(crate) fn end(mut self) {
        self.close(Instant::now());
    }

    pub(crate) fn fail(mut self, failure: Failure) {
        self.failed(failure);
    }

    #[cold]
    fn failed(&mut self, failure: Failure) {
        let now = Instant::now();
        if self.stage == Stage::Asked {
            self.head(status_of(failure), now);
        }
        self.series.fail(failure);
        self.close(now);
    }

    #[inline]
    fn head(&self, status: StatusCode, now: Instant) {
        self.series.count(status);
        self.series.to_head.record(now.duration_since(self.since));
    }

    #[inline]
    fn close(&mut self, now: Instant) {
        self.stage = Stage::Over;
        self.series.to_end.record(now.duration_since(self.since));
        self.series.in_flight.decrement(1.0);
        if self.sent > 0 {
            self.series.sent.increment(self.sent);
        }
    }

    /// Whoever sends a body of a known length stops at its last byte, and drops it then.
    fn is_whole(&self) -> bool {
        self.stage == Stage::Answered && self.sent >= self.promised && !self.running
    }
}

/// Says that what may panic is run, or that it has been.
#[inline]
pub(crate) const fn mark(exchange: &mut Option<Exchange>, running: bool) {
    if let Some(exchange) = exchange {
        exchange.running = running;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.stage == Stage::Over {
            return;
        }
        if self.is_whole() {
            self.close(Instant::now());
        } else if self.running {
            self.failed(Failure::Panic);
        } else {
            self.failed(Failure::Disconnect);
        }
    }
}

/// Of a request that was not answered.
fn status_of(failure: Failure) -> StatusCode {
    let gone = StatusCode::from_u16(CLIENT_CLOSED_REQUEST);
    match (failure, gone) {
        (Failure::Disconnect, Ok(gone)) => gone,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
