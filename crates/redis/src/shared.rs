use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::counters::{Counters, Levels};
use crate::gates::{Gates, passes};
use crate::session::Wire;
use crate::{Epoch, Error, Settings, Status};

/// What the tasks of a [`Redis`](crate::Redis) and its callers have in common.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) gates: Gates,
    pub(crate) counters: Counters,
    /// Something that the keeper looks after has changed.
    pub(crate) news: Notify,
    pub(crate) in_flight: AtomicUsize,
    links: Box<[Link]>,
    live: AtomicUsize,
    turn: AtomicUsize,
    subscribed: AtomicBool,
    status: watch::Sender<Status>,
}

/// The place of one connection.
#[derive(Default)]
pub(crate) struct Link {
    wire: RwLock<Option<Wire>>,
    /// Calls that were answered: a connection is alive though a heartbeat is late.
    answers: AtomicUsize,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            gates: Gates::new(settings.name, settings.timeout),
            counters: Counters::default(),
            news: Notify::new(),
            in_flight: AtomicUsize::new(0),
            links: (0..settings.connections).map(|_| Link::default()).collect(),
            live: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            subscribed: AtomicBool::new(false),
            status: watch::Sender::new(Status::new(Instant::now())),
            settings,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire) > 0
    }

    /// The next connection that is up.
    pub(crate) fn pick(&self) -> Option<(&Link, Wire)> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..self.links.len()).find_map(|step| {
            let link = self
                .links
                .get(first.wrapping_add(step) % self.links.len())?;
            link.wire().map(|wire| (link, wire))
        })
    }

    pub(crate) fn link(&self, index: usize) -> Option<&Link> {
        self.links.get(index)
    }

    /// A connection is up, and this is what was found there.
    pub(crate) fn up(&self, link: &Link, wire: Wire, epoch: Option<Epoch>) {
        self.counters.connects.add(1);
        // Before anybody can use it.
        self.found(epoch);
        link.set(Some(wire));
        self.live.fetch_add(1, Ordering::AcqRel);
        self.status
            .send_if_modified(|status| status.why.take().is_some());
        self.news.notify_one();
    }

    /// A connection that was up is no more.
    pub(crate) fn down(&self, link: &Link) {
        self.counters.disconnects.add(1);
        link.set(None);
        if self.live.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.gates.trip();
        }
        self.publish();
        self.news.notify_one();
    }

    /// Says it once, however often it happens.
    pub(crate) fn failed(&self, error: &Error) {
        let why = error.why();
        let is_live = self.is_live();
        let is_news = self.status.send_if_modified(|status| {
            let is_news = !is_live && status.why.as_ref() != Some(&why);
            if is_news {
                status.why = Some(Arc::clone(&why));
            }
            is_news
        });
        if is_news {
            let name = self.settings.name;
            tracing::warn!(redis = name, %why, "redis is away");
        }
    }

    pub(crate) fn found(&self, epoch: Option<Epoch>) {
        // A replica that has none yet says nothing of the data.
        let Some(epoch) = epoch else { return };
        let changed = self.status.send_if_modified(|status| {
            let changed = status.epoch.as_ref() != Some(&epoch);
            if changed {
                status.epoch = Some(epoch);
            }
            changed
        });
        if changed {
            self.counters.epochs.add(1);
        }
    }

    pub(crate) fn set_subscribed(&self, subscribed: bool) {
        if self.subscribed.swap(subscribed, Ordering::AcqRel) != subscribed {
            self.publish();
        }
    }

    /// Tells what holds now.
    pub(crate) fn publish(&self) {
        self.status.send_if_modified(|status| {
            // Under the lock of the channel, so that the last to tell has seen the last change.
            let reads = self.is_live() && passes(&self.gates.read);
            let writes = reads && passes(&self.gates.write);
            let subscribed = self.subscribed.load(Ordering::Acquire);
            let now = (reads, writes, subscribed);
            let changed = now != (status.reads, status.writes, status.subscribed);
            if changed {
                (status.reads, status.writes, status.subscribed) = now;
                status.since = Instant::now();
            }
            changed
        });
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    pub(crate) fn levels(&self) -> Levels {
        Levels {
            connections: self.live.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            subscribed: self.subscribed.load(Ordering::Relaxed),
        }
    }
}

impl Link {
    pub(crate) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    fn wire(&self) -> Option<Wire> {
        self.wire
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, wire: Option<Wire>) {
        let mut place = self.wire.write().unwrap_or_else(PoisonError::into_inner);
        let _before = std::mem::replace(&mut *place, wire);
    }
}
