use std::fmt;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use towerblock_core::BoxError;

const TWO: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);
const THREE: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);

type Asking = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// Something that is asked in the background how it is.
#[derive(Clone)]
#[must_use = "a check does nothing until `Health::start` gets it"]
pub struct Check {
    pub(crate) name: String,
    pub(crate) is_critical: bool,
    pub(crate) ask: Arc<dyn Fn() -> Asking + Send + Sync>,
    pub(crate) every: Duration,
    pub(crate) within: Duration,
    pub(crate) fall: NonZeroU32,
    pub(crate) rise: NonZeroU32,
}

impl Check {
    /// Without it this instance is of no use: while it fails, readiness fails.
    ///
    /// Think twice: what all instances share fails for all of them at once, and then there is none
    /// left to answer.
    pub fn critical<F, Fut>(name: impl Into<String>, ask: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        Self {
            name: name.into(),
            is_critical: true,
            ask: Arc::new(move || Box::pin(ask())),
            every: Duration::from_secs(5),
            within: Duration::from_secs(1),
            fall: THREE,
            rise: TWO,
        }
    }

    /// The service gets along without it, if worse: an open circuit, a cache that is away. While
    /// it fails, the report says `warn`, and readiness stays as it is.
    pub fn degraded<F, Fut>(name: impl Into<String>, ask: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let is_critical = false;
        Self {
            is_critical,
            ..Self::critical(name, ask)
        }
    }

    /// How long to wait after an answer before asking again. Default: 5 s.
    pub const fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// How long an answer may take; then it is dropped and counts as a failure. Default: 1 s.
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// After how many failures in a row it counts as failing. Default: 3.
    pub const fn fall_after(mut self, failures: NonZeroU32) -> Self {
        self.fall = failures;
        self
    }

    /// After how many passes in a row it counts as passing again; the first of all counts at once.
    /// Default: 2.
    pub const fn rise_after(mut self, passes: NonZeroU32) -> Self {
        self.rise = passes;
        self
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("is_critical", &self.is_critical)
            .finish_non_exhaustive()
    }
}
