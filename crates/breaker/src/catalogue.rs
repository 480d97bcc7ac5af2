use towerblock_core::Metric;

use crate::{budget, counters, keyed};

/// What the crate's [`Stats`](towerblock_core::Stats) tell, a slice for each source: known without an
/// instance, for those who make dashboards.
pub static METRICS: &[&[Metric]] = &[counters::METRICS, keyed::METRICS, budget::METRICS];
