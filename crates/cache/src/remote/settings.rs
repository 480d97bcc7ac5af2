use std::time::Duration;

use towerblock_redis::Redis;

/// What instances share through Redis, and how long one believes what it was told.
///
/// The instances of a service have one namespace, and no other service has it.
#[derive(Clone, Debug)]
pub struct Remote {
    pub(crate) redis: Redis,
    pub(crate) namespace: String,
    pub(crate) memory_ttl: Duration,
    pub(crate) deaf_ttl: Duration,
    pub(crate) quarantine: Duration,
    pub(crate) max_value: usize,
}

/// The namespace of a [`Remote`] is not of the form `[a-z0-9-]{1,32}`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the namespace {0:?} is not of the form [a-z0-9-]{{1,32}}")]
pub struct InvalidNamespace(String);

impl Remote {
    /// Keeps what is cached under keys that begin with the namespace, `[a-z0-9-]{1,32}`.
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
            memory_ttl: Duration::from_secs(60),
            deaf_ttl: Duration::from_secs(10),
            quarantine: Duration::from_secs(5),
            max_value: 1 << 20,
        })
    }

    /// A value is looked for in Redis again after it was in memory for so long, whatever its
    /// time to live is: what another instance changed and could not say, for it was killed, is
    /// served for so long at most. Where every change is noted in an outbox it may be as long as
    /// anything lives. Default: 60 s.
    #[must_use]
    pub const fn memory_ttl(mut self, ttl: Duration) -> Self {
        self.memory_ttl = ttl;
        self
    }

    /// The same while this instance does not hear what others invalidate: what they changed
    /// meanwhile is served for so long at most. Default: 10 s.
    #[must_use]
    pub const fn deaf_ttl(mut self, ttl: Duration) -> Self {
        self.deaf_ttl = ttl;
        self
    }

    /// For so long after an outage what was stored in Redis before it is not read, so that other
    /// instances can say what they could not say during it. Default: 5 s.
    #[must_use]
    pub const fn quarantine(mut self, time: Duration) -> Self {
        self.quarantine = time;
        self
    }

    /// A value that is longer, written as JSON, is kept in memory only: while it is on its way,
    /// others wait. In bytes. Default: 1 MiB.
    #[must_use]
    pub const fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value = bytes;
        self
    }
}
