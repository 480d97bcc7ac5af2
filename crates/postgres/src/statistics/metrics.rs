use towerblock_core::{Metric, Stats, Value};

use crate::Statistics;

impl Stats for Statistics {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        for label in self.shared.labels.all() {
            let (name, numbers) = (label.name(), label.numbers());
            for (metric, count) in [
                (&QUERIES, numbers.queries),
                (&ERRORS, numbers.errors),
                (&CANCELLED, numbers.cancelled),
                (&REFUSED, numbers.refused),
                (&SLOW, numbers.slow),
                (&ROWS, numbers.rows),
            ] {
                sink(metric, name, Value::Count(count));
            }
            for (metric, times) in [
                (&WAIT, &numbers.wait),
                (&CONNECT, &numbers.connect),
                (&EXECUTE, &numbers.execute),
                (&HOLD, &numbers.hold),
            ] {
                sink(metric, name, times.buckets());
            }
        }
    }
}

const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric::counter(name, unit, help).labelled("label")
}

const fn seconds(name: &'static str, help: &'static str) -> Metric {
    Metric::histogram(name, "seconds", help).labelled("label")
}

static QUERIES: Metric = counter("postgres_queries", "", "Queries, however they ended");
static ERRORS: Metric = counter(
    "postgres_query_errors",
    "",
    "Queries that failed on the server or on the way",
);
static CANCELLED: Metric = counter(
    "postgres_query_cancellations",
    "",
    "Queries that nobody waited for any longer",
);
static REFUSED: Metric = counter(
    "postgres_query_refusals",
    "",
    "Queries that got no connection",
);
static SLOW: Metric = counter(
    "postgres_slow_queries",
    "",
    "Queries that executed as long as counts as slow",
);
static ROWS: Metric = counter("postgres_rows", "rows", "Rows returned or changed");
static WAIT: Metric = seconds(
    "postgres_query_wait",
    "How long queries waited until there was room",
);
static CONNECT: Metric = seconds(
    "postgres_query_connect",
    "How long queries that needed a new connection waited for it",
);
static EXECUTE: Metric = seconds(
    "postgres_query_execute",
    "How long queries took from sending them until the last row",
);
static HOLD: Metric = seconds(
    "postgres_query_hold",
    "How long queries had a connection to themselves",
);
pub(crate) static METRICS: &[Metric] = &[
    QUERIES, ERRORS, CANCELLED, REFUSED, SLOW, ROWS, WAIT, CONNECT, EXECUTE, HOLD,
];
