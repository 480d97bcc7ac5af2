use std::sync::Arc;

use tower_layer::Layer;
use towerblock_core::{Metric, Stats, Value};

use crate::counters::{Counters, METRICS};
use crate::gate::Gate;
use crate::limits::Limits;
use crate::{Headers, RateLimit, RateLimiter};

/// Wraps services in a [`RateLimit`].
///
/// Clones of the layer, and all services it makes, share one limiter and its numbers, which are
/// read as [`Stats`]: keep a clone.
#[derive(Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct RateLimitLayer<I> {
    gate: Arc<Gate<I>>,
    headers: Headers,
}

impl<I> RateLimitLayer<I> {
    /// Asks `identify` who sends each request, and `limiter` whether it may go on. A closure
    /// `|req: &Request<_>| -> Option<Ask>` does.
    pub fn new(limiter: RateLimiter, identify: I) -> Self {
        Self::of(Limits::Here(limiter), identify)
    }

    /// As [`new`](Self::new), with limits that all instances share. A request waits only where Redis
    /// has to be asked, for a clone of the service that takes its place.
    #[cfg(feature = "redis")]
    pub fn fleet(limiter: crate::FleetLimiter, identify: I) -> Self {
        Self::of(Limits::Fleet(limiter), identify)
    }

    fn of(limits: Limits, identify: I) -> Self {
        let gate = Arc::new(Gate {
            limits,
            identify,
            counters: Arc::new(Counters::default()),
        });
        let headers = Headers::default();
        Self { gate, headers }
    }

    /// Which fields tell a client of its limits. Default: [`Headers::Draft11`].
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }
}

// Not derived: what identifies is shared, and need not be cloned.
impl<I> Clone for RateLimitLayer<I> {
    fn clone(&self) -> Self {
        Self {
            gate: Arc::clone(&self.gate),
            headers: self.headers,
        }
    }
}

impl<S, I> Layer<S> for RateLimitLayer<I> {
    type Service = RateLimit<S, I>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit::new(inner, Arc::clone(&self.gate), self.headers)
    }
}

impl<I: Send + Sync> Stats for RateLimitLayer<I> {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let bytes = self.gate.limits.bytes();
        self.gate.counters.read(bytes, sink);
    }
}
