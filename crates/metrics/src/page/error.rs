use thiserror::Error;

/// A page could not be made, or not be installed.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct ExportError(#[from] Cause);

#[derive(Debug, Error)]
pub(crate) enum Cause {
    #[error("two sources tell the metric {name}: name them apart")]
    Collision { name: &'static str },
    #[error("this process has a recorder already")]
    Installed,
}

impl ExportError {
    /// Two sources would tell the same series: give them names, by
    /// [`stats_of`](crate::Exporter::stats_of).
    #[must_use]
    pub const fn is_collision(&self) -> bool {
        matches!(self.0, Cause::Collision { .. })
    }
}
