//! The numbers of a pool.

use std::sync::atomic::{AtomicU64, Ordering};

use towerblock_core::{Metric, Value};

use crate::growth::Growth;

/// What a pool has and is asked for at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// Connections that there may be.
    pub size: usize,
    /// Connections that are open.
    pub open: usize,
    /// Connections that somebody holds.
    pub used: usize,
    /// Callers that wait for one.
    pub waiting: usize,
}

/// None of them orders anything else.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    connected: AtomicU64,
    connect_failed: AtomicU64,
    closed: AtomicU64,
    evicted: AtomicU64,
    refused: AtomicU64,
}

impl Counters {
    pub(crate) fn connected(&self) {
        self.connected.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connect_failed(&self) {
        self.connect_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection did not pass its test.
    pub(crate) fn evicted(&self) {
        self.evicted.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody got no connection.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(
        &self,
        growth: Growth,
        used: usize,
        waiting: usize,
        sink: &mut dyn FnMut(&'static Metric, &str, Value),
    ) {
        let level = |count: usize| Value::Level(u32::try_from(count).unwrap_or(u32::MAX).into());
        let count = |counter: &AtomicU64| Value::Count(counter.load(Ordering::Relaxed));
        for (state, connections) in [
            ("used", used),
            ("idle", growth.open.saturating_sub(used)),
            ("connecting", growth.connecting),
        ] {
            sink(&CONNECTIONS, state, level(connections));
        }
        sink(&SIZE, "", level(growth.size));
        sink(&WAITING, "", level(waiting));
        sink(&CONNECTS, "opened", count(&self.connected));
        sink(&CONNECTS, "failed", count(&self.connect_failed));
        sink(&CLOSED, "", count(&self.closed));
        sink(&EVICTED, "", count(&self.evicted));
        sink(&REFUSED, "", count(&self.refused));
    }
}

static CONNECTIONS: Metric = Metric::gauge(
    "pool_connections",
    "connections",
    "Connections by what they do",
)
.labelled("state");
static SIZE: Metric = Metric::gauge("pool_size", "connections", "Connections that there may be");
static WAITING: Metric = Metric::gauge(
    "pool_waiting",
    "callers",
    "Callers that wait for a connection",
);
static CONNECTS: Metric = Metric::counter(
    "pool_connects",
    "",
    "Attempts to open a connection by how they ended",
)
.labelled("outcome");
static CLOSED: Metric =
    Metric::counter("pool_closed", "connections", "Connections that were closed");
static EVICTED: Metric = Metric::counter(
    "pool_evicted",
    "connections",
    "Connections that were closed because they did not pass their test",
);
static REFUSED: Metric =
    Metric::counter("pool_refused", "callers", "Callers that got no connection");
pub(crate) static METRICS: &[Metric] = &[
    CONNECTIONS,
    SIZE,
    WAITING,
    CONNECTS,
    CLOSED,
    EVICTED,
    REFUSED,
];
