use metrics::Label;
use towerblock_core::{Kind, Metric, Stats, Value};

use crate::facade::Facade;
use crate::page::text::name_of;

/// Sets the present numbers of `stats` in the recorder of this thread or process, for those
/// who export to something else than Prometheus: call it before each export.
///
/// Buckets become a counter each, as Prometheus has them: `…_bucket` with the label `le`,
/// `…_count`, and `…_sum`, a gauge. What a source tells no more stays in the recorder, which
/// cannot forget; an [`Exposition`](crate::Exposition) reads its sources anew instead.
pub fn publish(stats: &dyn Stats) {
    let facade = Facade::default();
    stats.read(&mut |metric, label, value| {
        let to = Target {
            facade: &facade,
            metric,
            label,
        };
        match value {
            Value::Count(count) => to.count("", None, count),
            Value::Level(level) => to.level("", level),
            Value::Buckets {
                bounds,
                counts,
                sum,
            } => to.buckets(bounds, &counts, sum),
            _ => {}
        }
    });
}

struct Target<'a> {
    facade: &'a Facade,
    metric: &'static Metric,
    label: &'a str,
}

impl Target<'_> {
    fn count(&self, suffix: &str, end: Option<String>, count: u64) {
        let mut labels = self.labels();
        labels.extend(end.map(|end| Label::new("le", end)));
        let counter = self.facade.counter(self.name(suffix), labels);
        counter.absolute(count);
    }

    // Seconds are no whole numbers, and a counter here is one: they are told as a gauge.
    fn level(&self, suffix: &str, level: f64) {
        self.facade
            .gauge(self.name(suffix), self.labels())
            .set(level);
    }

    fn buckets(&self, bounds: &[f64], counts: &[u64], sum: f64) {
        let ends = bounds.iter().map(f64::to_string);
        let mut total = 0;
        for (end, count) in ends.chain(["+Inf".to_owned()]).zip(counts) {
            total += count;
            self.count("_bucket", Some(end), total);
        }
        self.count("_count", None, total);
        self.level("_sum", sum);
    }

    fn name(&self, suffix: &str) -> String {
        debug_assert!(suffix.is_empty() || self.metric.kind == Kind::Histogram);
        name_of(self.metric) + suffix
    }

    fn labels(&self) -> Vec<Label> {
        let is_labelled = !self.metric.label.is_empty() && !self.label.is_empty();
        let label = is_labelled.then(|| Label::new(self.metric.label, self.label.to_owned()));
        label.into_iter().collect()
    }
}
