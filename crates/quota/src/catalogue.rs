use towerblock_core::Metric;

use crate::counters;
#[cfg(feature = "redis")]
use crate::fleet;

/// What the crate's [`Stats`](towerblock_core::Stats) tell, a slice for each source: known without an
/// instance, for those who make dashboards.
pub static METRICS: &[&[Metric]] = &[
    counters::METRICS,
    #[cfg(feature = "redis")]
    fleet::METRICS,
];
