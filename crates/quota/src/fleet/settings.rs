use std::num::NonZeroU32;
use std::time::Duration;

use towerblock_redis::Redis;

/// What instances share through Redis, and for how long one may spend what it was given.
///
/// The instances of a service have one namespace, and no other service has it.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub(crate) redis: Redis,
    pub(crate) namespace: String,
    pub(crate) lease: Duration,
    pub(crate) at_least: NonZeroU32,
}

/// The namespace of a [`Fleet`] is not of the form `[a-z0-9-]{1,32}`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the namespace {0:?} is not of the form [a-z0-9-]{{1,32}}")]
pub struct InvalidNamespace(String);

impl Fleet {
    /// Keeps what is used under keys that begin with the namespace, `[a-z0-9-]{1,32}`. The limiter
    /// has connections of its own to the server of `redis`.
    ///
    /// # Errors
    ///
    /// [`InvalidNamespace`] if it is not of that form.
    pub fn new(redis: Redis, namespace: impl Into<String>) -> Result<Self, InvalidNamespace> {
        let namespace = namespace.into();
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if !(matches!(namespace.len(), 1..=32) && namespace.bytes().all(allowed)) {
            return Err(InvalidNamespace(namespace));
        }
        Ok(Self {
            redis,
            namespace,
            lease: Duration::from_millis(200),
            at_least: NonZeroU32::MIN,
        })
    }

    /// How much an instance is charged for in advance: its part of what a rate brings in that
    /// time, at most, to be spent within 60 s. So much more than it should the fleet admits at most,
    /// and about that often an instance asks Redis for a key that is asked for all it has. Up to
    /// 10 s; zero asks Redis for every request. Default: 200 ms.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.min(Duration::from_secs(10));
        self
    }

    /// So many instances there are at least: with Redis away each admits its part of a rate.
    /// Default: as many as are known, from 1.
    #[must_use]
    pub const fn at_least(mut self, instances: NonZeroU32) -> Self {
        self.at_least = instances;
        self
    }
}
