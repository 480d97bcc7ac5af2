use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

/// How the server is, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// A connection is up and the gate for reads is closed.
    pub reads: bool,
    /// As `reads`, and the server takes writes.
    pub writes: bool,
    /// The subscriptions hold: a message of our own has come back through them. `false` while
    /// there are none.
    pub subscribed: bool,
    /// Whose data these are; `None` until it was read, or where the server is read-only and has
    /// none. Another one than before: the data are lost.
    pub epoch: Option<Epoch>,
    /// Since when `reads`, `writes` and `subscribed` are what they are.
    pub since: Instant,
    /// Why the last connection ended, or could not be made; `None` while one is up.
    pub why: Option<Arc<str>>,
}

impl Status {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            reads: false,
            writes: false,
            subscribed: false,
            epoch: None,
            since: now,
            why: None,
        }
    }
}

/// The name of one life of the server's data: made up by whoever finds none there.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Epoch(Bytes);

impl Epoch {
    pub(crate) const fn new(id: Bytes) -> Self {
        Self(id)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}
