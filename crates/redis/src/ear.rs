//! One connection that listens, and the proof that it still hears: a message of our own that comes
//! back.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fred::types::Message;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until, timeout};

use crate::Error;
use crate::bus::Bus;
use crate::check::random;
use crate::session::Session;
use crate::shared::Shared;
use crate::within::within;

/// How often a subscription that is heard is tried.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How often one is tried that is not known to be heard.
const EAGER: Duration = Duration::from_millis(50);
/// So long may nothing at all be heard after a message of our own was sent.
const SILENCE: Duration = Duration::from_secs(1);
/// So long may no message of our own be sent before what was said meanwhile counts as missed: a
/// connection that lives loses nothing, but there are proxies.
const DOUBT: Duration = Duration::from_secs(2);

/// One connection that listens.
pub(crate) struct Ear<'a> {
    shared: &'a Shared,
    bus: &'a Bus,
    session: Session,
    /// What the server was told.
    told: HashSet<Arc<str>>,
    /// Our own channel: a new one after every change, for the server does things in turn, and
    /// what is heard on it proves that all before it was done.
    own: Arc<str>,
    /// A message of our own has come back through it.
    is_proven: bool,
    /// All that was subscribed is heard, but for what is new.
    is_heard: bool,
    /// No message of our own could be sent since, so that nothing proves that.
    doubtful_since: Option<Instant>,
    /// Nothing was heard since a message of our own was sent.
    silent_since: Option<Instant>,
    heard_at: Instant,
    sent_at: Instant,
    sending: Option<Pin<Box<dyn Future<Output = Sent> + Send>>>,
}

/// What became of a message of our own.
enum Sent {
    /// The server says that so many got it.
    To(i64),
    /// It could not be sent: that says nothing of this connection.
    Not,
}

impl<'a> Ear<'a> {
    pub(crate) fn new(shared: &'a Shared, bus: &'a Bus, session: Session) -> Self {
        Self {
            shared,
            bus,
            session,
            told: HashSet::new(),
            own: Arc::from(""),
            is_proven: false,
            is_heard: false,
            doubtful_since: None,
            silent_since: None,
            heard_at: Instant::now(),
            sent_at: Instant::now(),
            sending: None,
        }
    }

    /// Why it does not any more.
    pub(crate) async fn listen(mut self) -> Error {
        let mut messages = self.session.messages();
        let mut next = Instant::now();
        if let Err(error) = self.tell().await {
            return error;
        }
        loop {
            tokio::select! {
                error = self.session.ended() => return error,
                message = messages.recv() => match message {
                    Ok(message) => self.hear(message),
                    Err(RecvError::Lagged(_)) => self.interrupted(),
                    Err(RecvError::Closed) => return Error::lost("the connection was closed"),
                },
                () = self.bus.changed.notified() => {
                    if let Err(error) = self.tell().await {
                        return error;
                    }
                    next = Instant::now();
                }
                sent = sent(&mut self.sending) => {
                    self.sending = None;
                    if let Err(error) = self.sent(&sent) {
                        return error;
                    }
                }
                () = sleep_until(next) => {
                    if self.silent_since.is_some_and(|since| since.elapsed() > SILENCE) {
                        return Error::lost("nothing comes through the subscriptions");
                    }
                    if let Err(error) = self.tell().await {
                        return error;
                    }
                    self.send();
                    if self.doubtful_since.is_some_and(|since| since.elapsed() > DOUBT) {
                        self.interrupted();
                    }
                    let is_sure = self.is_proven && self.doubtful_since.is_none();
                    next = Instant::now() + if is_sure { HEARTBEAT } else { EAGER };
                }
            }
        }
    }

    fn hear(&mut self, message: Message) {
        self.heard_at = Instant::now();
        self.silent_since = None;
        if *message.channel != *self.own {
            self.shared.counters.messages.add(1);
            return self.bus.deliver(message);
        }
        self.is_proven = true;
        self.is_heard = true;
        self.doubtful_since = None;
        // Whoever hears of it finds it in the status.
        self.shared.set_subscribed(!self.told.is_empty());
        self.bus.heard(&self.told);
    }

    /// What became of our own message, which may have come back before.
    fn sent(&mut self, sent: &Sent) -> Result<(), Error> {
        match sent {
            // Nobody listens there: ours is another connection than we think.
            Sent::To(0) if self.is_proven => {
                return Err(Error::lost("the server has forgotten the subscriptions"));
            }
            Sent::To(1..) if self.heard_at < self.sent_at => {
                self.silent_since.get_or_insert_with(Instant::now);
            }
            Sent::To(_) => {}
            // What others say meanwhile comes in its turn: a connection loses nothing and lives.
            Sent::Not => {
                self.doubtful_since.get_or_insert_with(Instant::now);
                self.shared.set_subscribed(false);
            }
        }
        Ok(())
    }

    /// Something may have been missed.
    fn interrupted(&mut self) {
        if self.is_heard {
            self.shared.counters.gaps.add(1);
        }
        self.is_proven = false;
        self.is_heard = false;
        self.bus.unheard();
        self.shared.set_subscribed(false);
    }

    /// Tells the server what is new, and what nobody listens to any more.
    async fn tell(&mut self) -> Result<(), Error> {
        let wanted = self.bus.wanted();
        if wanted == self.told && !self.own.is_empty() {
            return Ok(());
        }
        let told = async {
            for name in self.told.difference(&wanted) {
                self.session.unsubscribe(name).await?;
            }
            for name in wanted.difference(&self.told) {
                self.session.subscribe(name).await?;
            }
            let own: Arc<str> =
                format!("towerblock:bus:{}", String::from_utf8_lossy(&random())).into();
            self.session.subscribe(&own).await?;
            if !self.own.is_empty() {
                self.session.unsubscribe(&self.own).await?;
            }
            Ok::<_, Error>(own)
        };
        let told = timeout(self.shared.settings.connect_timeout, told).await;
        self.own = told.map_err(|_| Error::lost("cannot subscribe in time"))??;
        self.told = wanted;
        self.is_proven = false;
        self.sending = None;
        // Not to be reminded of the channel before.
        self.silent_since = None;
        Ok(())
    }

    /// A message to ourselves, unless one is on its way.
    fn send(&mut self) {
        if self.sending.is_some() {
            return;
        }
        self.sent_at = Instant::now();
        let limit = self.shared.settings.timeout;
        let own = Arc::clone(&self.own);
        let wire = self.shared.pick().map(|(_, wire)| wire);
        self.sending = Some(Box::pin(async move {
            let Some(wire) = wire else { return Sent::Not };
            match within(limit, wire.publish(&own, Bytes::new())).await {
                Some(Ok(reply)) => Sent::To(reply.integer().unwrap_or_default()),
                _ => Sent::Not,
            }
        }));
    }
}

impl Drop for Ear<'_> {
    fn drop(&mut self) {
        self.interrupted();
    }
}

async fn sent(sending: &mut Option<Pin<Box<dyn Future<Output = Sent> + Send>>>) -> Sent {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}
