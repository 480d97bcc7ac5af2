//! Subscriptions: who listens to what, over a connection of their own.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fred::types::Message;
use tokio::sync::Notify;
use tokio::sync::broadcast;
use tokio::time::sleep;

use crate::ear::Ear;
use crate::link::Retry;
use crate::session::{Role, Session};
use crate::shared::Shared;
use crate::{Heard, Subscription};

/// Messages that wait for a subscription, at most; then it is told of a gap.
const WAITING: usize = 4_096;

/// The channels that somebody listens to.
#[derive(Debug, Default)]
pub(crate) struct Bus {
    channels: Mutex<Option<HashMap<Arc<str>, Channel>>>,
    pub(crate) changed: Notify,
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
    pub(crate) fn deliver(&self, message: Message) {
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
    pub(crate) fn heard(&self, names: &HashSet<Arc<str>>) {
        for (name, channel) in self.channels().iter_mut().flatten() {
            if !channel.is_heard && names.contains(name) {
                channel.is_heard = true;
                let _nobody = channel.sender.send(Heard::Gap);
            }
        }
    }

    /// None is known to be heard any more.
    pub(crate) fn unheard(&self) {
        for (_, channel) in self.channels().iter_mut().flatten() {
            channel.is_heard = false;
        }
    }

    /// The names that somebody listens to; the others are forgotten.
    pub(crate) fn wanted(&self) -> HashSet<Arc<str>> {
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
