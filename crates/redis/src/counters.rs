use std::sync::atomic::{AtomicU64, Ordering};

use towerblock_core::{Metric, Value};

/// None of them orders anything else.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) calls: Counter,
    pub(crate) refused: Counter,
    pub(crate) timeouts: Counter,
    pub(crate) lost: Counter,
    pub(crate) replied: Counter,
    pub(crate) connects: Counter,
    pub(crate) disconnects: Counter,
    pub(crate) messages: Counter,
    pub(crate) gaps: Counter,
    pub(crate) epochs: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// What is there now.
pub(crate) struct Levels {
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
    pub(crate) subscribed: bool,
}

impl Counters {
    pub(crate) fn read(
        &self,
        name: &str,
        levels: &Levels,
        sink: &mut dyn FnMut(&'static Metric, &str, Value),
    ) {
        let subscribed = f64::from(u8::from(levels.subscribed));
        sink(&CONNECTIONS, name, Value::Level(levels.connections as f64));
        sink(&IN_FLIGHT, name, Value::Level(levels.in_flight as f64));
        sink(&SUBSCRIBED, name, Value::Level(subscribed));
        for (metric, counter) in [
            (&CALLS, &self.calls),
            (&REFUSED, &self.refused),
            (&TIMEOUTS, &self.timeouts),
            (&LOST, &self.lost),
            (&REPLIED, &self.replied),
            (&CONNECTS, &self.connects),
            (&DISCONNECTS, &self.disconnects),
            (&MESSAGES, &self.messages),
            (&GAPS, &self.gaps),
            (&EPOCHS, &self.epochs),
        ] {
            sink(
                metric,
                name,
                Value::Count(counter.0.load(Ordering::Relaxed)),
            );
        }
    }
}

static CONNECTIONS: Metric = Metric::gauge(
    "redis_connections",
    "connections",
    "Connections for calls that are up",
)
.labelled("redis");
static IN_FLIGHT: Metric =
    Metric::gauge("redis_in_flight", "calls", "Calls that wait for an answer").labelled("redis");
static SUBSCRIBED: Metric =
    Metric::gauge("redis_subscribed", "", "1 while the subscriptions hold").labelled("redis");
static CALLS: Metric = Metric::counter(
    "redis_calls",
    "calls",
    "Calls that were sent, a pipeline as its calls",
)
.labelled("redis");
static REFUSED: Metric =
    Metric::counter("redis_refused", "calls", "Calls that were not sent").labelled("redis");
static TIMEOUTS: Metric =
    Metric::counter("redis_timeouts", "calls", "Calls with no answer in time").labelled("redis");
static LOST: Metric =
    Metric::counter("redis_lost", "calls", "Calls whose connection ended").labelled("redis");
static REPLIED: Metric = Metric::counter(
    "redis_replied_errors",
    "calls",
    "Calls that the server refused",
)
.labelled("redis");
static CONNECTS: Metric =
    Metric::counter("redis_connects", "connections", "Connections made").labelled("redis");
static DISCONNECTS: Metric = Metric::counter(
    "redis_disconnects",
    "connections",
    "Connections for calls that ended",
)
.labelled("redis");
static MESSAGES: Metric = Metric::counter(
    "redis_messages",
    "messages",
    "Messages received by subscriptions",
)
.labelled("redis");
static GAPS: Metric = Metric::counter(
    "redis_gaps",
    "",
    "Times that messages may have been missed by all subscriptions",
)
.labelled("redis");
static EPOCHS: Metric = Metric::counter(
    "redis_epochs",
    "",
    "Times that the server was found with other data",
)
.labelled("redis");
pub(crate) static METRICS: &[Metric] = &[
    CONNECTIONS,
    IN_FLIGHT,
    SUBSCRIBED,
    CALLS,
    REFUSED,
    TIMEOUTS,
    LOST,
    REPLIED,
    CONNECTS,
    DISCONNECTS,
    MESSAGES,
    GAPS,
    EPOCHS,
];
