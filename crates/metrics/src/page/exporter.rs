use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use towerblock_core::Stats;

use crate::page::error::Cause;
use crate::page::sources::Sources;
use crate::{ExportError, Exposition, TenantBoard};

/// In seconds; 50 ms and 150 ms, which many aim at, are bounds of their own.
const BUCKETS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// What is on the page: everything counted through `metrics`, and the numbers of these sources.
///
/// Every histogram is counted in buckets, which take the same memory for ever, and no series
/// is dropped for being idle: whoever holds a handle may go on counting with it.
#[derive(Clone, Debug)]
#[must_use = "an exporter does nothing until it is started or installed"]
pub struct Exporter {
    buckets: Vec<f64>,
    sources: Sources,
    boards: Vec<TenantBoard>,
}

impl Exporter {
    /// What is counted through `metrics`, and nothing else yet.
    pub fn new() -> Self {
        Self {
            buckets: BUCKETS.to_vec(),
            sources: Sources::default(),
            boards: Vec::new(),
        }
    }

    /// The upper bounds of the buckets of all histograms that are counted through `metrics`. They
    /// are sorted; those that are not finite are left out, and where none is left the
    /// default holds. Default: 14 from 0.5 ms to 10 s.
    pub fn buckets(mut self, bounds: impl IntoIterator<Item = f64>) -> Self {
        let finite = bounds.into_iter().filter(|bound| bound.is_finite());
        let mut bounds: Vec<_> = finite.collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        if !bounds.is_empty() {
            self.buckets = bounds;
        }
        self
    }

    /// Tells these numbers, read anew for each page: a series that the source tells no more is
    /// gone. Default: none.
    pub fn stats(mut self, stats: impl Stats + 'static) -> Self {
        self.sources.add("", Arc::new(stats));
        self
    }

    /// Tells the numbers of one of several sources of a kind, with the label `source`.
    /// Default: none.
    pub fn stats_of(mut self, source: &'static str, stats: impl Stats + 'static) -> Self {
        self.sources.add(source, Arc::new(stats));
        self
    }

    /// Tells the numbers of this board, and [ticks](TenantBoard::tick) it. Default: none.
    pub fn board(mut self, board: TenantBoard) -> Self {
        self.boards.push(board.clone());
        self.stats(board)
    }

    /// Makes a page with a recorder of its own, to be given to whoever counts.
    ///
    /// # Errors
    ///
    /// When two sources tell the same series.
    pub fn start(self) -> Result<Exposition, ExportError> {
        self.sources.check()?;
        let builder = PrometheusBuilder::new();
        // It refuses an empty list and nothing else, and this is none.
        let builder = builder.set_buckets(&self.buckets).unwrap_or_default();
        let recorder = Arc::new(builder.build_recorder());
        Ok(Exposition::new(recorder, self.sources, self.boards))
    }

    /// Makes a page whose recorder is that of the process, from now to its end.
    ///
    /// # Errors
    ///
    /// When two sources tell the same series, or the process has a recorder already.
    pub fn install(self) -> Result<Exposition, ExportError> {
        let exposition = self.start()?;
        let installed = metrics::set_global_recorder(exposition.recorder());
        installed.map_err(|_| Cause::Installed)?;
        Ok(exposition)
    }
}

impl Default for Exporter {
    fn default() -> Self {
        Self::new()
    }
}
