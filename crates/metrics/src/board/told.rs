use std::time::Duration;

use towerblock_core::{Metric, TenantId, Value};

use crate::board::ledger::{Numbers, sum};
use crate::board::report::PERCENTS;
use crate::board::series::Series;
use crate::board::tenant_board::Board;

const OTHER: &str = "__other__";
const NOBODY: &str = "__none__";

static REQUESTS: Metric = Metric::counter(
    "tenant_requests",
    "requests",
    "Requests of tenants that are told apart, of all others, and of no tenant",
)
.labelled("tenant");
static ERRORS: Metric =
    Metric::counter("tenant_errors", "requests", "Requests that failed").labelled("tenant");
static REFUSED: Metric =
    Metric::counter("tenant_refused", "requests", "Requests that were refused").labelled("tenant");
static DROPPED: Metric = Metric::counter(
    "tenant_dropped",
    "requests",
    "Requests whose client went away before they were answered",
)
.labelled("tenant");
static BUSY: Metric = Metric::counter(
    "tenant_busy",
    "seconds",
    "Time until requests were answered, all added up",
)
.labelled("tenant");
static P50: Metric = Metric::gauge(
    "tenant_duration_p50",
    "seconds",
    "Time that half of the recent requests took at most",
)
.labelled("tenant");
static P95: Metric = Metric::gauge(
    "tenant_duration_p95",
    "seconds",
    "Time that 95 of 100 recent requests took at most",
)
.labelled("tenant");
static P99: Metric = Metric::gauge(
    "tenant_duration_p99",
    "seconds",
    "Time that 99 of 100 recent requests took at most",
)
.labelled("tenant");
static ALL: Metric = Metric::counter(
    "tenant_board_requests",
    "requests",
    "All requests: those of the tenants, and those that are retired",
);
static RETIRED: Metric = Metric::counter(
    "tenant_board_retired_requests",
    "requests",
    "Requests of series that have ended",
);
static REFUSALS: Metric = Metric::counter(
    "tenant_board_refusals",
    "requests",
    "Requests that were refused, by reason, of all tenants",
)
.labelled("reason");
static ACTIVE: Metric = Metric::gauge(
    "tenant_board_active",
    "tenants",
    "Tenants with a request in the last hour",
);
static SHOWN: Metric = Metric::gauge(
    "tenant_board_shown",
    "tenants",
    "Tenants with series of their own",
);

pub(crate) static METRICS: &[Metric] = &[
    REQUESTS, ERRORS, REFUSED, DROPPED, BUSY, P50, P95, P99, ALL, RETIRED, REFUSALS, ACTIVE, SHOWN,
];

/// The sum is made of the very numbers that are told, so it holds whatever is counted
/// meanwhile.
pub(crate) fn tell(
    board: &Board,
    series: &Series,
    active: usize,
    sink: &mut dyn FnMut(&'static Metric, &str, Value),
) {
    let mut all = series.retired;
    let mut count = |sink: &mut dyn FnMut(&'static Metric, &str, Value), label: &str, numbers| {
        all = sum(all, numbers);
        tell_numbers(label, numbers, sink);
    };
    for live in &series.live {
        let label = live.slot.tenant.as_ref().map_or(OTHER, TenantId::as_str);
        count(sink, label, live.numbers());
        if let Some(times) = live.slot.sketch.percentiles(PERCENTS) {
            for (metric, time) in [&P50, &P95, &P99].into_iter().zip(times) {
                sink(metric, label, Value::Level(time.as_secs_f64()));
            }
        }
    }
    for frozen in &series.frozen {
        count(sink, frozen.tenant.as_str(), frozen.numbers);
    }
    count(sink, OTHER, board.common.rest.counts());
    count(sink, NOBODY, board.nobody.ledger.counts());
    let ([all, ..], [retired, ..]) = (all, series.retired);
    sink(&ALL, "", Value::Count(all));
    sink(&RETIRED, "", Value::Count(retired));
    for (reason, count) in board.common.refusals.counts() {
        sink(&REFUSALS, &reason.to_string(), Value::Count(count));
    }
    sink(&ACTIVE, "", Value::Level(active as f64));
    sink(&SHOWN, "", Value::Level(series.live.len() as f64));
}

fn tell_numbers(label: &str, numbers: Numbers, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
    let [requests, errors, refused, dropped, busy] = numbers;
    for (metric, count) in [
        (&REQUESTS, requests),
        (&ERRORS, errors),
        (&REFUSED, refused),
        (&DROPPED, dropped),
    ] {
        sink(metric, label, Value::Count(count));
    }
    let busy = Duration::from_nanos(busy).as_secs_f64();
    sink(&BUSY, label, Value::Level(busy));
}
