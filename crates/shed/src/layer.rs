use std::sync::Arc;

use tower_layer::Layer;
use towerblock_core::{Metric, Stats, TenantId, Value};
use towerblock_fair::Share;

use crate::counters::SHED;
use crate::gate::Gate;
use crate::{HoldLayer, Limit, Shed, Unclassed};

/// Wraps services in a [`Shed`].
///
/// Clones of the layer, and all services it makes, share one limit. The layer is also where its
/// numbers are read, as [`Stats`]: keep a clone.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct ShedLayer<C = Unclassed> {
    gate: Arc<Gate>,
    class: C,
}

impl ShedLayer {
    /// Admits requests up to this limit.
    pub fn new(limit: impl Into<Limit>) -> Self {
        let gate = Arc::new(Gate::new(limit.into(), "shed"));
        let class = Unclassed;
        Self { gate, class }
    }
}

impl<C> ShedLayer<C> {
    /// Asks for the class of each request. A closure does. Default: [`Unclassed`], all are
    /// normal.
    pub fn class<D>(self, class: D) -> ShedLayer<D> {
        let gate = self.gate;
        ShedLayer { gate, class }
    }

    /// Asks for the share of each tenant, once for each request and outside any lock: keep it
    /// cheap. It can be set once; what a later call sets is ignored. Default: a weight of 1
    /// for everyone, and no cap.
    pub fn share_of(self, share_of: impl Fn(&TenantId) -> Share + Send + Sync + 'static) -> Self {
        self.gate.share_of(share_of);
        self
    }

    /// Admits everyone but what is sheddable below so many percent of the limit, and from there
    /// on by share: from 0 to 100. One tenant alone gets so far. Default: 80.
    pub fn soft_percent(self, percent: u8) -> Self {
        self.gate.soft_percent(percent);
        self
    }

    /// Names it, for [`Rejected::by`](towerblock_core::Rejected::by) and for logs. It can be set
    /// once; what a later call sets is ignored. Default: `"shed"`.
    pub fn named(self, by: &'static str) -> Self {
        self.gate.named(by);
        self
    }

    /// Holds a slot until the response body has ended or is dropped, for services of HTTP.
    /// Default: until the response is there.
    pub const fn until_body_end(self) -> HoldLayer<Self> {
        HoldLayer::new(self)
    }

    /// How many requests may be in flight now.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.gate.limit()
    }

    /// How many requests are in flight now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.gate.in_flight()
    }
}

impl<S, C: Clone> Layer<S> for ShedLayer<C> {
    type Service = Shed<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Shed::new(inner, Arc::clone(&self.gate), self.class.clone())
    }
}

impl<C: Send + Sync> Stats for ShedLayer<C> {
    fn describe(&self) -> &'static [Metric] {
        &SHED
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let levels = [self.limit(), self.in_flight()];
        self.gate.counters.read(&SHED, levels, sink);
    }
}
