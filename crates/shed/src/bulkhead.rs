use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;
use towerblock_core::{BoxError, HasTenant, Metric, Stats, Value};
use towerblock_fair::Share;

use crate::counters::BULKHEAD;
use crate::gate::Gate;
use crate::{Class, HoldLayer, Limit, ResponseFuture};

/// Wraps services in a [`Bulkhead`].
///
/// Clones of the layer, and all services it makes, share one set of slots. The layer is also
/// where its numbers are read, as [`Stats`]: keep a clone.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct BulkheadLayer {
    gate: Arc<Gate>,
}

impl BulkheadLayer {
    /// Lets each tenant have so many requests in flight, and all together so many. What it
    /// remembers is bounded by `in_all`, not by the number of tenants.
    pub fn new(per_tenant: NonZeroUsize, in_all: NonZeroUsize) -> Self {
        let gate = Gate::new(Limit::fixed(in_all), "bulkhead");
        gate.soft_percent(100);
        gate.share_of(move |_| Share::default().at_most(per_tenant.get()));
        let gate = Arc::new(gate);
        Self { gate }
    }

    /// Names it, for [`Rejected::by`](towerblock_core::Rejected::by) and for logs. It can be set
    /// once; what a later call sets is ignored. Default: `"bulkhead"`.
    pub fn named(self, by: &'static str) -> Self {
        self.gate.named(by);
        self
    }

    /// Holds a slot until the response body has ended or is dropped, for services of HTTP.
    /// Default: until the response is there.
    pub const fn until_body_end(self) -> HoldLayer<Self> {
        HoldLayer::new(self)
    }

    /// How many requests are in flight now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.gate.in_flight()
    }
}

impl<S> Layer<S> for BulkheadLayer {
    type Service = Bulkhead<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let gate = Arc::clone(&self.gate);
        Bulkhead { inner, gate }
    }
}

impl Stats for BulkheadLayer {
    fn describe(&self) -> &'static [Metric] {
        &BULKHEAD
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let levels = [self.gate.limit(), self.gate.in_flight()];
        self.gate.counters.read(&BULKHEAD, levels, sink);
    }
}

/// Limits how many requests each tenant, and all together, may have in flight.
///
/// Made by [`BulkheadLayer`]; see the [crate docs](crate).
#[derive(Clone, Debug)]
pub struct Bulkhead<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S, Req> Service<Req> for Bulkhead<S>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
    Req: HasTenant,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // The tenant is unknown until `call`: readiness is the inner service's alone.
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Req) -> Self::Future {
        match self.gate.admit(req.tenant(), Class::Normal) {
            Ok(permit) => ResponseFuture::new(self.inner.call(req), permit),
            Err(rejected) => ResponseFuture::refused(rejected),
        }
    }
}
