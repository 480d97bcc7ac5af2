use std::sync::atomic::{AtomicU64, Ordering};

use towerblock_core::{Metric, Reason, Value};

use crate::Decision;
use crate::outcome::Verdict;

/// None of them orders anything else.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    admitted: AtomicU64,
    rate_limited: AtomicU64,
    cost_above_burst: AtomicU64,
    unknown: AtomicU64,
    exempt: AtomicU64,
    shadow_refused: AtomicU64,
    crowded: AtomicU64,
}

impl Counters {
    pub(crate) fn count(&self, decision: &Decision) {
        let counter = match decision.outcome.verdict {
            _ if decision.plan.is_none() => &self.exempt,
            Verdict::Admitted => &self.admitted,
            Verdict::Wait => &self.rate_limited,
            Verdict::Never => &self.cost_above_burst,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if !decision.outcome.shadowed_by.is_empty() {
            self.shadow_refused.fetch_add(1, Ordering::Relaxed);
        }
        if decision.outcome.crowded {
            self.crowded.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn unknown(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, bytes: usize, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let count = |counter: &AtomicU64| Value::Count(counter.load(Ordering::Relaxed));
        sink(&ADMITTED, "limited", count(&self.admitted));
        sink(&ADMITTED, "exempt", count(&self.exempt));
        for (reason, counter) in [
            (Reason::RateLimited, &self.rate_limited),
            (Reason::CostAboveBurst, &self.cost_above_burst),
            (Reason::UnknownTenant, &self.unknown),
        ] {
            sink(&REFUSED, label(reason), count(counter));
        }
        sink(&SHADOW_REFUSED, "", count(&self.shadow_refused));
        sink(&CROWDED, "", count(&self.crowded));
        #[expect(clippy::cast_precision_loss, reason = "memory is smaller")]
        sink(&TABLE, "", Value::Level(bytes as f64));
    }
}

const fn label(reason: Reason) -> &'static str {
    match reason {
        Reason::RateLimited => "rate_limited",
        Reason::CostAboveBurst => "cost_above_burst",
        _ => "unknown_tenant",
    }
}

static ADMITTED: Metric =
    Metric::counter("quota_admitted", "requests", "Requests that went on").labelled("kind");
static REFUSED: Metric =
    Metric::counter("quota_refused", "requests", "Requests that were refused").labelled("reason");
static SHADOW_REFUSED: Metric = Metric::counter(
    "quota_shadow_refused",
    "requests",
    "Requests that a policy in shadow would have refused",
);
static CROWDED: Metric = Metric::counter(
    "quota_crowded",
    "requests",
    "Requests that were judged by a state shared with others, for want of a place",
);
static TABLE: Metric = Metric::gauge("quota_table", "bytes", "What is remembered, at most");
pub(crate) static METRICS: &[Metric] = &[ADMITTED, REFUSED, SHADOW_REFUSED, CROWDED, TABLE];
