use std::sync::atomic::{AtomicU64, Ordering};

use towerblock_core::{Metric, Stats, Value};

use crate::Circuits;

static KEYS: Metric = Metric::gauge(
    "breaker_keys",
    "keys",
    "Keys that a circuit is remembered for",
)
.labelled("circuit");
static OPEN: Metric = Metric::gauge(
    "breaker_keys_open",
    "keys",
    "Keys whose circuit is open or half-open",
)
.labelled("circuit");
static REFUSED: Metric = Metric::counter(
    "breaker_keys_refused",
    "calls",
    "Calls that the circuit of a key refused",
)
.labelled("circuit");
static OVERFLOWN: Metric = Metric::counter(
    "breaker_keys_overflown",
    "calls",
    "Failures of keys that there was no room for",
)
.labelled("circuit");
pub(crate) static METRICS: &[Metric] = &[KEYS, OPEN, REFUSED, OVERFLOWN];

/// Without the shared circuit's, which has its own.
impl<K: Send> Stats for Circuits<K> {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let (name, shared) = (self.shared().name(), self.inner());
        let level = |count: usize| Value::Level(count as f64);
        let count = |counter: &AtomicU64| Value::Count(counter.load(Ordering::Relaxed));
        sink(&KEYS, name, level(self.len()));
        sink(&OPEN, name, level(shared.suspects.open()));
        sink(&REFUSED, name, count(&shared.refused));
        sink(&OVERFLOWN, name, count(&shared.overflown));
    }
}
