//! What Prometheus is told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use metrics::{Counter, Histogram, Label, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use tower_http::trace::OnResponse;
use towerblock_core::{Metric, Stats, Value};
use tracing::Span;

/// In seconds; the targets of 50 ms and 150 ms are bounds of their own.
const BUCKETS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.5, 1.0, 5.0,
];
/// The label of each class of status, by its first digit less one.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Requests by class of status, through handles that were looked up once.
#[derive(Clone)]
pub(crate) struct HttpMetrics {
    recorder: Arc<PrometheusRecorder>,
    classes: Arc<[(Counter, Histogram); 5]>,
}

impl HttpMetrics {
    pub(crate) fn new() -> Self {
        let builder = PrometheusBuilder::new();
        // It refuses an empty list of buckets and nothing else.
        let builder = builder.set_buckets(&BUCKETS).unwrap_or_default();
        let recorder = Arc::new(builder.build_recorder());
        let classes = with_local_recorder(&*recorder, || {
            CLASSES.map(|class| {
                let requests = counter!("http_requests_total", "status" => class);
                let seconds = histogram!("http_request_duration_seconds", "status" => class);
                (requests, seconds)
            })
        });
        let classes = Arc::new(classes);
        Self { recorder, classes }
    }

    /// Moves samples into their buckets; they pile up until somebody does.
    pub(crate) fn upkeep(&self) {
        self.recorder.handle().run_upkeep();
    }

    /// The text of `/metrics`, with the present numbers of `all`.
    pub(crate) fn render(&self, all: &[&dyn Stats]) -> String {
        let mut histograms = Histograms::default();
        with_local_recorder(&*self.recorder, || {
            for stats in all {
                stats.read(&mut |metric, label, value| match value {
                    Value::Buckets {
                        bounds,
                        counts,
                        sum,
                    } => histograms.add(metric, label, (bounds, &counts, sum)),
                    value => tell(metric, label, &value),
                });
            }
        });
        self.recorder.handle().render() + &histograms.render()
    }
}

impl<B> OnResponse<B> for HttpMetrics {
    fn on_response(self, response: &Response<B>, latency: Duration, _: &Span) {
        let class = usize::from(response.status().as_u16() / 100).wrapping_sub(1);
        if let Some((requests, seconds)) = self.classes.get(class) {
            requests.increment(1);
            seconds.record(latency);
        }
    }
}

/// Histograms that were counted elsewhere: the recorder takes single samples only. The labels are
/// those of statements, which stand in the code, and 512 at most.
#[derive(Default)]
struct Histograms(BTreeMap<&'static str, (&'static Metric, String)>);

impl Histograms {
    fn add(&mut self, metric: &'static Metric, label: &str, of: (&[f64], &[u64], f64)) {
        let (bounds, counts, sum) = of;
        let (_, lines) = self.0.entry(metric.name).or_insert((metric, String::new()));
        let name = metric.name;
        let own = match metric.label {
            "" => String::new(),
            key => format!("{key}={label:?},"),
        };
        let ends = bounds.iter().map(f64::to_string);
        let ends = ends.chain(["+Inf".to_owned()]);
        let mut total = 0;
        for (end, count) in ends.zip(counts) {
            total += count;
            // Nothing is ever wrong with writing to a string.
            let _ = writeln!(lines, "{name}_bucket{{{own}le=\"{end}\"}} {total}");
        }
        let _ = writeln!(
            lines,
            "{name}_sum{{{own}}} {sum}\n{name}_count{{{own}}} {total}"
        );
    }

    fn render(self) -> String {
        let family = |(name, (metric, lines)): (_, (&Metric, String))| {
            let help = metric.help;
            format!("# HELP {name} {help}\n# TYPE {name} histogram\n{lines}\n")
        };
        self.0.into_iter().map(family).collect()
    }
}

fn tell(metric: &'static Metric, label: &str, value: &Value) {
    let labels = (!metric.label.is_empty()).then(|| Label::new(metric.label, label.to_owned()));
    let labels: Vec<_> = labels.into_iter().collect();
    match value {
        Value::Count(count) => counter!(metric.name, labels).absolute(*count),
        Value::Level(level) => gauge!(metric.name, labels).set(*level),
        _ => {}
    }
}
