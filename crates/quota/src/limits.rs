use std::pin::Pin;

use tokio::time::Instant;

use crate::fleet::FleetLimiter;
use crate::{Ask, Decision, RateLimiter};

/// Who decides.
#[derive(Clone, Debug)]
pub(crate) enum Limits {
    Here(RateLimiter),
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "there is none"))]
    Fleet(FleetLimiter),
}

/// What is decided once others were asked.
pub(crate) struct Asked(pub(crate) Pin<Box<dyn Future<Output = Decision> + Send>>);

impl Limits {
    pub(crate) fn enter(&self, ask: Ask) -> Result<Decision, Asked> {
        match self {
            Self::Here(limiter) => Ok(limiter.decide(ask, Instant::now())),
            Self::Fleet(limiter) => limiter.enter(ask),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Here(limiter) => limiter.bytes(),
            Self::Fleet(limiter) => limiter.bytes(),
        }
    }
}
