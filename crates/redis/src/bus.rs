//! Subscriptions: a connection of their own, and the proof that it still hears.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fred::types::Message;
use tokio::sync::Notify;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::check::random;
use crate::link::Retry;
use crate::session::{Role, Session};
use crate::shared::Shared;
use crate::{Error, Heard, Subscription};

/// Messages that wait for a subscription, at most; then it is told of a gap.
const WAITING: usize = 4_096;
/// How often a subscription that is heard is tried.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How often one is tried that is not known to be heard.
const EAGER: Duration = Duration::from_millis(50);
/// So long may nothing at all be heard after a message of our own was sent.
const SILENCE: Duration = Duration::from_secs(1);

/// The channels that somebody listens to.
#[derive(Debug, Default)]
pub(crate) struct Bus {
    channels: Mutex<Option<HashMap<Arc<str>, Channel>>>,
    changed: Notify,
}

#[derive(Debug)]
struct Channel {
    sender: broadcast::Sender<Heard>,
    is_heard: bool,
}

impl Bus {
    pub(crate) fn new() -> Self {
        Self {
            channels: Mutex::new(Some(HashMap::new())),
            changed: Notify::new(),
        }
    }

    pub(crate) fn subscribe(&self, name: Arc<str>) -> Subscription {
        let (receiver, begins) = match &mut *self.channels() {
            Some(channels) => {
                let channel = channels.entry(name).or_insert_with(|| Channel {
                    sender: broadcast::Sender::new(WAITING),
                    is_heard: false,
                });
                (channel.sender.subscribe(), channel.is_heard)
            }
            // Its sender is gone at once: nothing will be heard.
            None => (broadcast::channel(1).1, false),
        };
        self.changed.notify_one();
        Subscription::new(receiver, begins)
    }

    /// Ends all subscriptions.
    pub(crate) fn close(&self) {
        *self.channels() = None;
    }

    /// Hands a message on.
    fn deliver(&self, message: Message) {
        let Some(bytes) = message.value.into_bytes() else {
            return;
        };
        if let Some(channel) = self
            .channels()
            .as_ref()
            .and_then(|all| all.get(&*message.channel))
        {
            let _nobody = channel.sender.send(Heard::Message(bytes));
        }
    }

    /// All of these are heard: those that were not before begin here.
    fn heard(&self, names: &HashSet<Arc<str>>) {
        for (name, channel) in self.channels().iter_mut().flatten() {
            if !channel.is_heard && names.contains(name) {
                channel.is_heard = true;
                let _nobody = channel.sender.send(Heard::Gap);
            }
        }
    }

    /// None is known to be heard any more.
    fn unheard(&self) {
        for (_, channel) in self.channels().iter_mut().flatten() {
            channel.is_heard = false;
        }
    }

    /// The names that somebody listens to; the others are forgotten.
    fn wanted(&self) -> HashSet<Arc<str>> {
        let mut channels = self.channels();
        let Some(channels) = channels.as_mut() else {
            return HashSet::new();
        };
        channels.retain(|_, channel| channel.sender.receiver_count() > 0);
        channels.keys().cloned().collect()
    }

    fn channels(&self) -> MutexGuard<'_, Option<HashMap<Arc<str>, Channel>>> {
        // No user code runs under this lock, so a poisoned map is still whole.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects, listens, and connects again, until it is dropped.
pub(crate) async fn listen(shared: &Shared, bus: &Bus) {
    let mut retry = Retry::default();
    loop {
        let settings = &shared.settings;
        let opened = Session::open(&settings.target, Role::Subscriber, settings.connect_timeout);
        let error = match opened.await {
            Ok(session) => {
                retry = Retry::default();
                shared.counters.connects.add(1);
                Ear::new(shared, bus, session).listen().await
            }
            Err(error) => error,
        };
        tracing::debug!(redis = settings.name, %error, "subscriptions are interrupted");
        sleep(retry.wait()).await;
    }
}

/// One connection that listens.
struct Ear<'a> {
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
    /// Nothing was heard since a message of our own was sent.
    silent_since: Option<Instant>,
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
    fn new(shared: &'a Shared, bus: &'a Bus, session: Session) -> Self {
        Self {
            shared,
            bus,
            session,
            told: HashSet::new(),
            own: Arc::from(""),
            is_proven: false,
            is_heard: false,
            silent_since: None,
            sending: None,
        }
    }

    /// Why it does not any more.
    async fn listen(mut self) -> Error {
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
                    match sent {
                        // Nobody listens there: ours is another connection than we think.
                        Sent::To(0) if self.is_proven => {
                            return Error::lost("the server has forgotten the subscriptions");
                        }
                        Sent::To(0) => {}
                        Sent::To(_) => self.silent_since = self.silent_since.or(Some(Instant::now())),
                        Sent::Not => self.interrupted(),
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
                    next = Instant::now() + if self.is_proven { HEARTBEAT } else { EAGER };
                }
            }
        }
    }

    fn hear(&mut self, message: Message) {
        self.silent_since = None;
        if *message.channel != *self.own {
            self.shared.counters.messages.add(1);
            return self.bus.deliver(message);
        }
        self.bus.heard(&self.told);
        self.is_proven = true;
        self.is_heard = true;
        self.shared.set_subscribed(!self.told.is_empty());
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
        let limit = self.shared.settings.timeout;
        let own = Arc::clone(&self.own);
        let wire = self.shared.pick().map(|(_, wire)| wire);
        self.sending = Some(Box::pin(async move {
            let Some(wire) = wire else { return Sent::Not };
            match timeout(limit, wire.publish(&own, Bytes::new())).await {
                Ok(Ok(reply)) => Sent::To(reply.integer().unwrap_or_default()),
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
