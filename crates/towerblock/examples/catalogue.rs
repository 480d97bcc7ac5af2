//! Every metric of every crate, as JSON: what `cargo xtask dashboards` makes its pages of.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use serde_json::{Value, json};
use towerblock::core::{Kind, Metric};
use towerblock::metrics::{HTTP_METRICS, name_of};
use towerblock::{
    breaker, cache, fair, lifecycle, metrics, pool, postgres, quota, redis, shed, tenant,
};

fn main() {
    let crates = [
        ("breaker", breaker::METRICS),
        ("cache", cache::METRICS),
        ("fair", fair::METRICS),
        ("lifecycle", lifecycle::METRICS),
        ("metrics", metrics::METRICS),
        ("pool", pool::METRICS),
        ("postgres", postgres::METRICS),
        ("quota", quota::METRICS),
        ("redis", redis::METRICS),
        ("shed", shed::METRICS),
        ("tenant", tenant::METRICS),
    ];
    let mut all = Vec::new();
    for (name, sources) in crates {
        for metric in sources.iter().copied().flatten() {
            let label = [metric.label];
            let labels = if metric.label.is_empty() {
                &[]
            } else {
                &label[..]
            };
            all.push(entry(name, metric, labels));
        }
    }
    for (metric, labels) in HTTP_METRICS {
        all.push(entry("metrics", metric, labels));
    }
    all.sort_by_key(|entry| entry["name"].to_string());
    println!("{:#}", Value::from(all));
}

fn entry(of: &str, metric: &Metric, labels: &[&str]) -> Value {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Histogram => "histogram",
        _ => "gauge",
    };
    json!({
        "name": name_of(metric),
        "kind": kind,
        "unit": metric.unit,
        "help": metric.help,
        "labels": labels,
        "crate": of,
    })
}
