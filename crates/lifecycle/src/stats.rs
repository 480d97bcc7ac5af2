use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use towerblock_core::{Metric, Stats, Value};

use crate::Lifecycle;

/// None of them orders anything else.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    connections: AtomicUsize,
    accepted: AtomicU64,
    not_accepted: AtomicU64,
}

impl Counters {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn opened(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn not_accepted(&self) {
        self.not_accepted.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) static METRICS: [Metric; 5] = [
    Metric::gauge(
        "lifecycle_phase",
        "",
        "Where the service is: 0 starting, 1 ready, 2 draining, 3 closing, 4 finishing, 5 stopped",
    ),
    Metric::gauge("lifecycle_in_flight", "requests", "What has not ended yet"),
    Metric::gauge("lifecycle_connections", "connections", "Open connections"),
    Metric::counter("lifecycle_accepted", "", "Connections that were accepted"),
    Metric::counter(
        "lifecycle_not_accepted",
        "",
        "Connections that could not be accepted, as when there are no file descriptors left",
    ),
];

impl Stats for Lifecycle {
    fn describe(&self) -> &'static [Metric] {
        &METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let counters = &self.shared.counters;
        let count = |counter: &AtomicU64| Value::Count(counter.load(Ordering::Relaxed));
        let values = [
            Value::Level(f64::from(self.phase() as u8)),
            Value::Level(self.in_flight() as f64),
            Value::Level(self.connections() as f64),
            count(&counters.accepted),
            count(&counters.not_accepted),
        ];
        for (metric, value) in METRICS.iter().zip(values) {
            sink(metric, "", value);
        }
    }
}
