/// A query whose answer Prometheus keeps as a series.
#[derive(Debug)]
pub(crate) struct Record {
    /// What labels it keeps, of what it is, and how it was made, with a colon between each.
    pub(crate) name: &'static str,
    pub(crate) expr: &'static str,
}

#[rustfmt::skip]
pub(crate) const fn all() -> [Record; 8] {
    [
        Record {
            name: "job:http_requests:rate5m",
            expr: "sum by (job) (rate(http_requests_total[5m]))",
        },
        Record {
            name: "job:http_errors:ratio5m",
            expr: r#"(sum by (job) (rate(http_requests_total{status=~"5.."}[5m])) or 0 * job:http_requests:rate5m) / (job:http_requests:rate5m > 0)"#,
        },
        Record {
            name: "job:http_request_duration:p95_5m",
            expr: "histogram_quantile(0.95, sum by (job, le) (rate(http_request_duration_seconds_bucket[5m])))",
        },
        Record {
            name: "job_route:http_request_duration:p95_5m",
            expr: "histogram_quantile(0.95, sum by (job, route, le) (rate(http_request_duration_seconds_bucket[5m])))",
        },
        Record {
            name: "job_tenant:tenant_requests:rate5m",
            expr: "sum by (job, tenant) (rate(tenant_requests_total[5m]))",
        },
        Record {
            name: "job:cache_lookups:rate5m",
            expr: "sum by (job) (rate(cache_hits_total[5m])) + sum by (job) (rate(cache_misses_total[5m]))",
        },
        Record {
            name: "job:cache_hits:ratio5m",
            expr: "sum by (job) (rate(cache_hits_total[5m])) / (job:cache_lookups:rate5m > 0)",
        },
        Record {
            name: "job_label:postgres_queries_over_1s:increase10m",
            expr: r#"sum by (job, label) (increase(postgres_query_execute_seconds_count[10m])) - sum by (job, label) (increase(postgres_query_execute_seconds_bucket{le="1"}[10m]))"#,
        },
    ]
}
