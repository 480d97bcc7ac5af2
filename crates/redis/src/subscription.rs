use bytes::Bytes;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// What a subscription hears.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there is a message, or one may be missing"
)]
pub enum Heard {
    /// What somebody published.
    Message(Bytes),
    /// Messages may have been missed until now; from here on, none is. The first that every
    /// subscription hears, and again after each break.
    Gap,
}

/// One channel, from now on.
///
/// Dropping it ends the subscription; the server hears of it with the next heartbeat.
#[derive(Debug)]
pub struct Subscription {
    receiver: Receiver<Heard>,
    /// It came to a channel that is heard already.
    begins: bool,
}

impl Subscription {
    pub(crate) const fn new(receiver: Receiver<Heard>, begins: bool) -> Self {
        Self { receiver, begins }
    }

    /// The next message, or that some may be missing. `None` once the connection is
    /// [closed](crate::Redis::close).
    ///
    /// Whoever is 4,096 messages behind hears of a gap in their place. Cancel safe: what is not
    /// heard is heard by the next call.
    pub async fn next(&mut self) -> Option<Heard> {
        if std::mem::take(&mut self.begins) {
            return Some(Heard::Gap);
        }
        match self.receiver.recv().await {
            Ok(heard) => Some(heard),
            Err(RecvError::Lagged(_)) => Some(Heard::Gap),
            Err(RecvError::Closed) => None,
        }
    }
}
