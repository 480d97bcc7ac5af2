use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use towerblock_core::TenantId;

use crate::period::Period;
use crate::{Name, Usage};

/// A tenant has used 50, 80, 100 or 200 percent of a quota for the first time in its period. Of what is
/// not counted by periods it is told anew after use was below half.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Crossed {
    /// Whose quota it is.
    pub tenant: TenantId,
    /// What is counted.
    pub resource: Name,
    /// In which period.
    pub period: Period,
    /// The highest that was crossed at once.
    pub percent: u16,
    /// Units used.
    pub used: u64,
    /// Units included.
    pub limit: u64,
}

/// What is crossed from now on. Whoever reads too slowly misses the oldest.
#[derive(Debug)]
#[must_use = "nobody else reads it"]
pub struct Crossings(broadcast::Receiver<Crossed>);

impl Crossings {
    /// The next one; `None` when the store is gone.
    ///
    /// Cancel safety: dropped, it loses none.
    pub async fn next(&mut self) -> Option<Crossed> {
        loop {
            match self.0.recv().await {
                Ok(crossed) => return Some(crossed),
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "crossings were read too slowly");
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// Where crossings are told.
#[derive(Clone, Debug)]
pub(crate) struct Bell(broadcast::Sender<Crossed>);

impl Default for Bell {
    fn default() -> Self {
        Self(broadcast::Sender::new(256))
    }
}

impl Bell {
    pub(crate) fn listen(&self) -> Crossings {
        Crossings(self.0.subscribe())
    }

    pub(crate) fn tell(&self, usage: &Usage) {
        if let Some(crossed) = &usage.crossed {
            // It fails when nobody listens.
            let _ = self.0.send(crossed.clone());
        }
    }
}
