//! A loader that counts, and what tests ask of a hub.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;
use towerblock_cache::{Cache, Hub, Policy, Settings};
use towerblock_core::{Stats, TenantId, Value};

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub(crate) fn hub() -> Hub {
    Hub::start(Settings::memory(64 << 20)).unwrap()
}

pub(crate) fn strings(hub: &Hub, policy: Policy) -> Cache<String, String> {
    hub.cache("strings", policy).unwrap()
}

pub(crate) fn minute() -> Policy {
    Policy::ttl(secs(60)).jitter_percent(0)
}

/// Lets so much of the paused time pass, and the clock follow.
pub(crate) async fn pass(time: Duration) {
    sleep(time + ms(11)).await;
}

/// Lets what can run do so, without time passing by more than a tick.
pub(crate) async fn settle() {
    sleep(ms(11)).await;
}

/// The origin: it counts, fails when told to, and waits behind a gate when told to.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    loads: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    gate: Semaphore,
    begun: Notify,
}

impl Origin {
    pub(crate) fn open() -> Self {
        Self::with(Semaphore::MAX_PERMITS)
    }

    pub(crate) fn gated() -> Self {
        Self::with(0)
    }

    fn with(permits: usize) -> Self {
        let shared = Arc::new(Shared {
            loads: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            gate: Semaphore::new(permits),
            begun: Notify::new(),
        });
        Self { shared }
    }

    pub(crate) fn let_through(&self, many: usize) {
        self.shared.gate.add_permits(many);
    }

    /// Waits until a load has begun since this was called last.
    pub(crate) async fn begun(&self) {
        self.shared.begun.notified().await;
    }

    pub(crate) fn loads(&self) -> usize {
        self.shared.loads.load(Ordering::SeqCst)
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.most_at_once.load(Ordering::SeqCst)
    }

    pub(crate) async fn load(self, value: impl Into<String>) -> Result<String, Infallible> {
        self.enter().await;
        Ok(value.into())
    }

    pub(crate) async fn fail(self) -> Result<String, io::Error> {
        self.enter().await;
        Err(io::Error::other("away"))
    }

    pub(crate) async fn enter(&self) {
        self.shared.loads.fetch_add(1, Ordering::SeqCst);
        let now = self.shared.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        let _leaves = Leaves(&self.shared.at_once);
        self.shared.most_at_once.fetch_max(now, Ordering::SeqCst);
        self.shared.begun.notify_one();
        self.shared.gate.acquire().await.unwrap().forget();
    }
}

struct Leaves<'a>(&'a AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) fn stat(hub: &Hub, name: &str, label: &str) -> u64 {
    let mut found = None;
    hub.read(&mut |metric, of, value| {
        if metric.name == name && of == label {
            found = Some(match value {
                Value::Count(count) => count,
                Value::Level(level) => level as u64,
                other => panic!("{other:?}"),
            });
        }
    });
    found.unwrap()
}
