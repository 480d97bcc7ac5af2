use towerblock_core::Rejected;

use crate::claim::{Claim, Usage};

/// Nothing was counted: there is no room, the key is wrong, or the store did not answer.
///
/// Where there is no room, its source is the [`Rejected`] that the client is to be answered
/// with: 403 for a stock, 429 for what comes back with the next period. A store that failed
/// never looks like that.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct QuotaError(#[from] pub(crate) Cause);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("no room for {units} more of {resource}: {} used and {} reserved of {}", .usage.used, .usage.reserved, .usage.limit)]
    Exceeded {
        resource: String,
        units: u64,
        usage: Box<Usage>,
        #[source]
        rejected: Rejected,
    },
    #[error("the key {0:?} was used for something else")]
    KeyReused(String),
    #[error("the key {0:?} stands for no reservation")]
    UnknownKey(String),
    #[error("the key is empty, or longer than 255 bytes")]
    InvalidKey,
    #[error("as much is remembered as there is memory for")]
    Full,
    #[cfg(feature = "postgres")]
    #[error("the store failed: {0}")]
    Store(#[source] towerblock_core::BoxError),
}

impl QuotaError {
    pub(crate) fn exceeded(claim: &Claim, usage: Usage) -> Self {
        Self(Cause::Exceeded {
            resource: claim.resource.as_str().to_owned(),
            units: claim.units,
            usage: Box::new(usage),
            rejected: claim.rejected(),
        })
    }

    /// How much was used, if there is no room.
    #[must_use]
    pub const fn exceeded_by(&self) -> Option<&Usage> {
        match &self.0 {
            Cause::Exceeded { usage, .. } => Some(usage),
            _ => None,
        }
    }

    /// What the client is to be answered with, if there is no room.
    #[must_use]
    pub const fn rejected(&self) -> Option<&Rejected> {
        match &self.0 {
            Cause::Exceeded { rejected, .. } => Some(rejected),
            _ => None,
        }
    }

    pub(crate) const fn is_full(&self) -> bool {
        matches!(self.0, Cause::Full)
    }

    /// Whether the key is at fault: used for something else, unknown, or of a wrong length.
    #[must_use]
    pub const fn is_key(&self) -> bool {
        matches!(
            self.0,
            Cause::KeyReused(_) | Cause::UnknownKey(_) | Cause::InvalidKey
        )
    }
}

/// A key that a client may have chosen.
pub(crate) fn checked(key: &str) -> Result<&str, QuotaError> {
    match key.len() {
        1..=255 => Ok(key),
        _ => Err(Cause::InvalidKey.into()),
    }
}
