use std::error;
use std::fmt;
use std::sync::Arc;

use towerblock_core::{BoxError, Reason, Rejected};

/// Why there is no answer. All who waited for one load get the same.
///
/// Where it means a refusal, a [`Rejected`] is among its sources, which `RespondLayer` answers:
/// for want of a slot, after a timeout, at shutdown, or because the loader was refused itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The loader failed; this is its error.
    Load(Arc<dyn error::Error + Send + Sync>),
    /// The load takes longer than anybody waits for it; it may still end, and be stored.
    Timeout,
    /// The loader panicked.
    Panicked,
    /// The load was ended before it was done, by [`shutdown`](crate::Hub::shutdown) or with its
    /// runtime.
    Aborted,
    /// There was no slot for the load, and nothing stale to serve.
    Shed(Rejected),
}

static LATE: Rejected = Rejected::new("cache", Reason::Unavailable);
static DRAINING: Rejected = Rejected::new("cache", Reason::Draining);

impl Error {
    pub(crate) fn load(error: BoxError) -> Self {
        Self::Load(error.into())
    }

    /// The loader's own error, if it is of this type.
    #[must_use]
    pub fn downcast_ref<E: error::Error + 'static>(&self) -> Option<&E> {
        match self {
            Self::Load(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// Whether asking again at once would likely end the same way.
    pub(crate) fn backs_off(&self) -> bool {
        matches!(self, Self::Load(_) | Self::Timeout | Self::Panicked)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Load(_) => "the value could not be loaded",
            Self::Timeout => "the load timed out",
            Self::Panicked => "the loader panicked",
            Self::Aborted => "the load was ended",
            Self::Shed(_) => "no slot for the load",
        })
    }
}

// By hand, for a derived one would give the `Arc` as the source, in which nobody finds a
// `Rejected`.
impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Load(error) => Some(&**error),
            Self::Timeout => Some(&LATE),
            Self::Aborted => Some(&DRAINING),
            Self::Shed(rejected) => Some(rejected),
            Self::Panicked => None,
        }
    }
}

/// A hub was started outside of a tokio runtime.
#[derive(Debug, thiserror::Error)]
#[error("a cache needs a tokio runtime to start")]
pub struct StartError(pub(crate) ());

/// A cache cannot be as it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cache {name:?}: {flaw}")]
pub struct InvalidCache {
    pub(crate) name: String,
    pub(crate) flaw: &'static str,
}

impl InvalidCache {
    /// The name of the cache.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The setting, and what is wrong with it.
    #[must_use]
    pub fn flaw(&self) -> &'static str {
        self.flaw
    }
}
