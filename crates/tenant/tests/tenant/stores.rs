//! A store that does as it is told, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use towerblock_core::{BoxError, TenantId};
use towerblock_tenant::{MemoryStore, Tenant, TenantStore};

#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) tenants: MemoryStore,
    mood: Arc<watch::Sender<Mood>>,
    asked: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mood {
    Works,
    /// Answers this much later.
    Slow(Duration),
    Fails,
    /// Says nothing until it is in another mood.
    Hangs,
    Panics,
}

impl Store {
    pub(crate) fn new(tenants: impl IntoIterator<Item = Tenant>) -> Self {
        Self {
            tenants: tenants.into_iter().collect(),
            mood: Arc::new(watch::channel(Mood::Works).0),
            asked: Arc::default(),
            open: Arc::default(),
            most: Arc::default(),
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Questions so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Questions that are open now, and the most that ever were.
    pub(crate) fn open(&self) -> (usize, usize) {
        (
            self.open.load(Ordering::Relaxed),
            self.most.load(Ordering::Relaxed),
        )
    }

    #[expect(clippy::panic, reason = "a store with a bug")]
    async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<Option<T>, BoxError>>,
    ) -> Result<Option<T>, BoxError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(open, Ordering::Relaxed);
        let _open = Open(&self.open);
        let mut mood = self.mood.subscribe();
        let mood = *mood.wait_for(|mood| *mood != Mood::Hangs).await?;
        match mood {
            Mood::Works | Mood::Hangs => answer.await,
            Mood::Slow(by) => {
                // As the store was when it was asked.
                let answer = answer.await;
                tokio::time::sleep(by).await;
                answer
            }
            Mood::Fails => Err("the store is away".into()),
            Mood::Panics => panic!("the store has a bug"),
        }
    }
}

struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl TenantStore for Store {
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, BoxError> {
        self.answer(self.tenants.tenant(id)).await
    }

    async fn domain(&self, domain: &str) -> Result<Option<TenantId>, BoxError> {
        self.answer(self.tenants.domain(domain)).await
    }
}
