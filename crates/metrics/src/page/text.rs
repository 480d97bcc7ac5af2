use std::collections::BTreeMap;
use std::fmt::Write as _;

use towerblock_core::{Kind, Metric, Value};

/// The text format of Prometheus, version 0.0.4: each family in one piece.
#[derive(Debug, Default)]
pub(crate) struct Text(BTreeMap<&'static str, Family>);

#[derive(Debug)]
struct Family {
    name: String,
    lines: String,
}

// Nothing is ever wrong with writing to a string.
impl Text {
    pub(crate) fn add(&mut self, metric: &Metric, source: &str, label: &str, value: &Value) {
        let begin = || Family::begin(metric);
        let family = self.0.entry(metric.name).or_insert_with(begin);
        let mut labels = String::new();
        pair(&mut labels, "source", source);
        if !metric.label.is_empty() {
            pair(&mut labels, metric.label, label);
        }
        match value {
            Value::Count(count) => family.sample("", &labels, count),
            Value::Level(level) => family.sample("", &labels, level),
            Value::Buckets {
                bounds,
                counts,
                sum,
            } => family.histogram(&labels, bounds, counts, *sum),
            _ => {}
        }
    }

    pub(crate) fn append_to(self, page: &mut String) {
        for family in self.0.into_values() {
            page.push_str(&family.lines);
        }
    }
}

impl Family {
    fn begin(metric: &Metric) -> Self {
        let name = name_of(metric);
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            _ => "untyped",
        };
        let mut lines = format!("# HELP {name} ");
        escape(&mut lines, metric.help, false);
        let _ = writeln!(lines, "\n# TYPE {name} {kind}");
        Self { name, lines }
    }

    fn sample(&mut self, suffix: &str, labels: &str, value: impl std::fmt::Display) {
        let name = &self.name;
        let labels = labels.trim_end_matches(',');
        let _ = if labels.is_empty() {
            writeln!(self.lines, "{name}{suffix} {value}")
        } else {
            writeln!(self.lines, "{name}{suffix}{{{labels}}} {value}")
        };
    }

    fn histogram(&mut self, labels: &str, bounds: &[f64], counts: &[u64], sum: f64) {
        let ends = bounds.iter().map(f64::to_string);
        let mut total = 0;
        for (end, count) in ends.chain(["+Inf".to_owned()]).zip(counts) {
            total += count;
            let labels = format!("{labels}le=\"{end}\"");
            self.sample("_bucket", &labels, total);
        }
        self.sample("_sum", labels, sum);
        self.sample("_count", labels, total);
    }
}

/// What a metric is called on the page, by the conventions of Prometheus: with a base unit (seconds,
/// bytes, ratio) and, if it is a counter, with `_total`. A histogram's series have `_bucket`, `_sum` and
/// `_count` behind that.
#[must_use]
pub fn name_of(metric: &Metric) -> String {
    let mut name = metric.name.to_owned();
    if matches!(metric.unit, "seconds" | "bytes" | "ratio") && !name.ends_with(metric.unit) {
        name = format!("{name}_{}", metric.unit);
    }
    if metric.kind == Kind::Counter {
        name.push_str("_total");
    }
    name
}

/// `key="value",`, unless there is no value.
fn pair(labels: &mut String, key: &str, value: &str) {
    if !value.is_empty() {
        let _ = write!(labels, "{key}=\"");
        escape(labels, value, true);
        labels.push_str("\",");
    }
}

fn escape(into: &mut String, text: &str, quoted: bool) {
    for c in text.chars() {
        match c {
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '"' if quoted => into.push_str("\\\""),
            c => into.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use towerblock_core::{Metric, Value};

    use super::Text;

    static HITS: Metric = Metric::counter("hits", "", "Hits\nof \\ all").labelled("key");
    static WAIT: Metric = Metric::histogram("wait", "seconds", "Waits");
    static IDLE: Metric = Metric::gauge("idle", "connections", "Idle");

    #[test]
    fn families_are_whole_and_labels_cannot_break_out() {
        let mut text = Text::default();
        text.add(&HITS, "", "a\"b\\c\nd", &Value::Count(7));
        text.add(&IDLE, "", "", &Value::Level(f64::NAN));
        text.add(&IDLE, "orders", "", &Value::Level(2.5));
        text.add(&HITS, "", "é", &Value::Count(u64::MAX));
        let buckets = Value::Buckets {
            bounds: &[0.5, 1.0],
            counts: vec![1, 0, 2],
            sum: 9.25,
        };
        text.add(&WAIT, "", "", &buckets);
        let mut page = String::new();
        text.append_to(&mut page);
        let expected = r#"# HELP hits_total Hits\nof \\ all
# TYPE hits_total counter
hits_total{key="a\"b\\c\nd"} 7
hits_total{key="é"} 18446744073709551615
# HELP idle Idle
# TYPE idle gauge
idle NaN
idle{source="orders"} 2.5
# HELP wait_seconds Waits
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.5"} 1
wait_seconds_bucket{le="1"} 1
wait_seconds_bucket{le="+Inf"} 3
wait_seconds_sum 9.25
wait_seconds_count 3
"#;
        assert_eq!(page, expected);
    }
}
