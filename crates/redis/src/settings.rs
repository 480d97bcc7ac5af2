use std::sync::Arc;
use std::time::Duration;

use crate::InvalidUrl;
use crate::url::Target;

/// Where the server is, and how long it may take.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) target: Target,
    pub(crate) name: &'static str,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
    pub(crate) epoch_key: Arc<str>,
}

impl Settings {
    /// `redis://user:password@host:6379/0`, of which all but the host may be left out; with TLS
    /// `rediss://`, which trusts the authorities of the system, or those in the PEM file of
    /// `?cacert=/path/to/ca.pem`.
    ///
    /// # Errors
    ///
    /// When it is no such URL, or the certificates cannot be read. Sentinel, clusters and Unix
    /// sockets are not supported.
    pub fn from_url(url: &str) -> Result<Self, InvalidUrl> {
        Ok(Self {
            target: Target::parse(url)?,
            name: "redis",
            timeout: Duration::from_millis(100),
            connect_timeout: Duration::from_millis(500),
            connections: 2,
            in_flight: 10_000,
            epoch_key: "towerblock:epoch".into(),
        })
    }

    /// So long may any call take, and the answer to a heartbeat, which is sent as often: a server
    /// that hangs is known within twice that time. From 5 ms to 10 s. Default: 100 ms.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.clamp(Duration::from_millis(5), Duration::from_secs(10));
        self
    }

    /// So long may it take to connect, to authenticate and to find the epoch. The next try
    /// follows at most 250 ms later. From 10 ms to 60 s. Default: 500 ms.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout.clamp(Duration::from_millis(10), Duration::from_secs(60));
        self
    }

    /// Connections that calls are spread over, beside one for subscriptions: a large value holds
    /// up only those behind it. From 1 to 64. Default: 2.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.clamp(1, 64);
        self
    }

    /// So many calls may be under way at once; more are refused. From 1. Default: 10,000.
    #[must_use]
    pub fn in_flight(mut self, calls: usize) -> Self {
        self.in_flight = calls.max(1);
        self
    }

    /// Its name in refusals, logs and metrics; its circuits are `<name>.read` and
    /// `<name>.write`. Default: `redis`.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The key that the epoch is kept under; the same for all that share the data. It is written
    /// where it is missing. Default: `towerblock:epoch`.
    #[must_use]
    pub fn epoch_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.epoch_key = key.into();
        self
    }
}
