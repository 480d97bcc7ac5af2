use std::sync::atomic::{AtomicU64, Ordering};

use towerblock_core::{Metric, Reason, Value};

use crate::Class;
use crate::window::Totals;

/// None of them orders anything else.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    critical: OfClass,
    normal: OfClass,
    sheddable: OfClass,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct OfClass {
    admitted: AtomicU64,
    over_share: AtomicU64,
    overloaded: AtomicU64,
    unknown_tenant: AtomicU64,
}

/// What the metrics of a layer are called.
pub(crate) type Metrics = [Metric; 6];

impl Counters {
    /// How many of the class were admitted before.
    pub(crate) fn admitted(&self, class: Class) -> u64 {
        self.of(class).admitted.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn refused(&self, class: Class, reason: Reason) {
        let of_class = self.of(class);
        let counter = match reason {
            Reason::OverShare => &of_class.over_share,
            Reason::UnknownTenant => &of_class.unknown_tenant,
            _ => &of_class.overloaded,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// One was given up before it was answered.
    pub(crate) fn dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Refusals for want of room only.
    pub(crate) fn totals(&self) -> Totals {
        let all = self.all().map(|(_, of_class)| of_class);
        let admitted = all.map(|it| load(&it.admitted)).iter().sum();
        let refused = all.map(|it| load(&it.over_share) + load(&it.overloaded));
        Totals {
            admitted,
            refused: refused.iter().sum(),
        }
    }

    pub(crate) fn read(
        &self,
        metrics: &'static Metrics,
        [limit, in_flight]: [usize; 2],
        sink: &mut dyn FnMut(&'static Metric, &str, Value),
    ) {
        let [limits, in_flights, admitted, refused, by_class, dropped] = metrics;
        sink(limits, "", Value::Level(limit as f64));
        sink(in_flights, "", Value::Level(in_flight as f64));
        for (label, of_class) in self.all() {
            sink(admitted, label, Value::Count(load(&of_class.admitted)));
        }
        let all = self.all().map(|(_, of_class)| of_class);
        for (label, counts) in [
            ("over_share", all.map(|it| load(&it.over_share))),
            ("overloaded", all.map(|it| load(&it.overloaded))),
            ("unknown_tenant", all.map(|it| load(&it.unknown_tenant))),
        ] {
            sink(refused, label, Value::Count(counts.iter().sum()));
        }
        for (label, it) in self.all() {
            let count = load(&it.over_share) + load(&it.overloaded) + load(&it.unknown_tenant);
            sink(by_class, label, Value::Count(count));
        }
        sink(dropped, "", Value::Count(load(&self.dropped)));
    }

    fn all(&self) -> [(&'static str, &OfClass); 3] {
        Class::ALL.map(|(class, label)| (label, self.of(class)))
    }

    fn of(&self, class: Class) -> &OfClass {
        match class {
            Class::Critical => &self.critical,
            Class::Normal => &self.normal,
            Class::Sheddable => &self.sheddable,
        }
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

pub(crate) static SHED: Metrics = [
    Metric::gauge("shed_limit", "requests", "Requests that may be in flight"),
    Metric::gauge("shed_in_flight", "requests", "Requests in flight"),
    Metric::counter("shed_admitted", "requests", "Requests admitted, by class").labelled("class"),
    Metric::counter("shed_refused", "requests", "Requests refused, by reason").labelled("reason"),
    Metric::counter(
        "shed_refused_of_class",
        "requests",
        "Requests refused, by class",
    )
    .labelled("class"),
    Metric::counter(
        "shed_dropped",
        "requests",
        "Requests given up before they were answered",
    ),
];

pub(crate) static BULKHEAD: Metrics = [
    Metric::gauge(
        "bulkhead_limit",
        "requests",
        "Requests that may be in flight",
    ),
    Metric::gauge("bulkhead_in_flight", "requests", "Requests in flight"),
    Metric::counter(
        "bulkhead_admitted",
        "requests",
        "Requests admitted, by class",
    )
    .labelled("class"),
    Metric::counter(
        "bulkhead_refused",
        "requests",
        "Requests refused, by reason",
    )
    .labelled("reason"),
    Metric::counter(
        "bulkhead_refused_of_class",
        "requests",
        "Requests refused, by class",
    )
    .labelled("class"),
    Metric::counter(
        "bulkhead_dropped",
        "requests",
        "Requests given up before they were answered",
    ),
];
