use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;
use towerblock_breaker::Circuit;
use towerblock_core::{Metric, Stats, Value};

use crate::bus::{self, Bus};
use crate::counters::METRICS;
use crate::pass::Pass;
use crate::shared::Shared;
use crate::{Call, Error, Reply, Script, Settings, Status, Subscription, keeper, link};

/// Connections to one server, kept up by tasks of their own.
///
/// Clones share them. They end with [`close`](Self::close), or when the last clone is dropped.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    bus: Arc<Bus>,
    /// `None` once closed. Dropping it ends them.
    tasks: Mutex<Option<Tasks>>,
}

struct Tasks {
    set: JoinSet<()>,
    listens: bool,
}

impl Redis {
    /// Begins to connect, and returns at once: a server that is down is not an error. Calls are
    /// refused until it is there; see [`watch`](Self::watch).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, which its tasks run on.
    #[must_use]
    pub fn connect(settings: Settings) -> Self {
        let shared = Arc::new(Shared::new(settings));
        let mut set = JoinSet::new();
        for index in 0..shared.settings.connections {
            let shared = Arc::clone(&shared);
            set.spawn(async move { link::keep_up(&shared, index).await });
        }
        let kept = Arc::clone(&shared);
        set.spawn(async move { keeper::keep(&kept).await });
        let listens = false;
        let inner = Inner {
            shared,
            bus: Arc::new(Bus::new()),
            tasks: Mutex::new(Some(Tasks { set, listens })),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Others to the same server, with gates and a name of their own: for what must not wait
    /// behind the values of a cache, nor be refused for its failures.
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    #[must_use]
    pub fn beside(&self, name: &'static str) -> Self {
        Self::connect(self.shared().settings.clone().named(name))
    }

    /// Sends one command and waits for its reply.
    ///
    /// Cancel safe for this process: a dropped call gives back what it held. The command may be
    /// executed all the same.
    ///
    /// # Errors
    ///
    /// [`Error`] says which; none comes later than [`Settings::timeout`].
    pub async fn call(&self, call: Call) -> Result<Reply, Error> {
        let pass = Pass::take(self.shared(), call.writes, 1)?;
        pass.spend(async |wire| wire.ask(call).await).await
    }

    /// Sends several commands in one round trip; other callers' may come between them. They pass
    /// the gate for writes if one of them does.
    ///
    /// # Errors
    ///
    /// The first error of any is that of all; the others are executed nevertheless.
    pub async fn all(&self, calls: impl IntoIterator<Item = Call>) -> Result<Vec<Reply>, Error> {
        let calls: Vec<_> = calls.into_iter().collect();
        let writes = calls.iter().any(|call| call.writes);
        let pass = Pass::take(self.shared(), writes, calls.len())?;
        pass.spend(async |wire| wire.ask_all(calls).await).await
    }

    /// Runs a script: by its hash, and in full where the server does not know it.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); an error of the script's own is [`Error::Replied`].
    pub async fn run<K: AsRef<[u8]>, A: AsRef<[u8]>>(
        &self,
        script: &Script,
        keys: &[K],
        args: &[A],
    ) -> Result<Reply, Error> {
        let call = script.call(keys, args);
        let pass = Pass::take(self.shared(), call.writes, 1)?;
        pass.spend(async |wire| wire.run(script, call).await).await
    }

    /// Sends a message to all that are subscribed now. How many connections that are, says the
    /// server. A message may be lost; a subscriber that may have missed one hears of a
    /// [gap](crate::Heard::Gap).
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); it passes the gate for reads, for it stores nothing.
    pub async fn publish(&self, channel: &str, message: Bytes) -> Result<u64, Error> {
        let pass = Pass::take(self.shared(), false, 1)?;
        let reply = pass
            .spend(async |wire| wire.publish(channel, message).await)
            .await?;
        Ok(reply
            .integer()
            .and_then(|count| count.try_into().ok())
            .unwrap_or_default())
    }

    /// Listens to a channel, over a connection of its own that the first subscription opens.
    /// Returns at once: the first that is heard is a [gap](crate::Heard::Gap), once the server
    /// listens for us.
    ///
    /// Channels are named by the program, not by its clients: each takes some 400 kB.
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    #[must_use]
    pub fn subscribe(&self, channel: impl Into<Arc<str>>) -> Subscription {
        let inner = &*self.inner;
        let mut tasks = inner.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tasks) = tasks.as_mut().filter(|tasks| !tasks.listens) {
            let (shared, bus) = (Arc::clone(&inner.shared), Arc::clone(&inner.bus));
            tasks
                .set
                .spawn(async move { bus::listen(&shared, &bus).await });
            tasks.listens = true;
        }
        inner.bus.subscribe(channel.into())
    }

    /// Follows how the server is.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.shared().watch()
    }

    /// The gates for reads and for writes: for a [`Registry`](towerblock_breaker::Registry),
    /// which lists and forces them.
    #[must_use]
    pub fn circuits(&self) -> [Circuit; 2] {
        let gates = &self.shared().gates;
        [gates.read.clone(), gates.write.clone()]
    }

    /// Ends its tasks and connections, for all clones. Calls under way end with
    /// [`Error::Lost`], later ones are refused, and subscriptions end.
    pub async fn close(&self) {
        let tasks = {
            let mut tasks = self
                .inner
                .tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            tasks.take()
        };
        // Cancel safety: dropping the set ends the tasks as well, and only does not wait.
        if let Some(mut tasks) = tasks {
            tasks.set.shutdown().await;
        }
        self.inner.bus.close();
    }

    fn shared(&self) -> &Shared {
        &self.inner.shared
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.bus.close();
    }
}

impl Stats for Redis {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let shared = self.shared();
        shared
            .counters
            .read(shared.settings.name, &shared.levels(), sink);
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("settings", &self.shared().settings)
            .field("status", &*self.shared().watch().borrow())
            .finish_non_exhaustive()
    }
}
