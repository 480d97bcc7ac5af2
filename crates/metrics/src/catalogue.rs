use towerblock_core::Metric;

use crate::board::told;
use crate::http::series;
use crate::page::process;

/// What the crate's [`Stats`](towerblock_core::Stats) tell, a slice for each source: known without an
/// instance, for those who make dashboards.
pub static METRICS: &[&[Metric]] = &[told::METRICS, process::METRICS];

/// What [`HttpMetricsLayer`](crate::HttpMetricsLayer) counts through the `metrics` facade, each with its labels.
pub static HTTP_METRICS: &[(Metric, &[&str])] = &series::METRICS;
