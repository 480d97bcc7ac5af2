use towerblock_core::Metric;

use crate::registry;

/// What the crate's [`Stats`](towerblock_core::Stats) tell, a slice for each source: known without an
/// instance, for those who make dashboards.
pub static METRICS: &[&[Metric]] = &[registry::METRICS];
