use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use towerblock_cache::{Cache, Hit, Hub, Loaded, Policy, Remote, Settings, Timeouts};
use towerblock_core::TenantId;
use towerblock_redis::Redis;

pub(crate) const SOON: Duration = Duration::from_secs(10);
pub(crate) const DEAF: Duration = Duration::from_millis(400);

type Values = HashMap<(TenantId, String), String>;

/// Where the values come from: the truth, to be changed.
#[derive(Clone, Default)]
pub(crate) struct Origin {
    pub(crate) values: Arc<Mutex<Values>>,
    pub(crate) loads: Arc<AtomicUsize>,
    pub(crate) tag: Option<&'static str>,
    pub(crate) takes: Duration,
}

impl Origin {
    pub(crate) fn set(&self, tenant: &TenantId, key: &str, value: &str) {
        let mut values = self.values.lock().unwrap();
        values.insert((tenant.clone(), key.to_owned()), value.to_owned());
    }

    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    fn find(&self, tenant: &TenantId, key: &str) -> Option<String> {
        let values = self.values.lock().unwrap();
        values.get(&(tenant.clone(), key.to_owned())).cloned()
    }
}

/// One of several processes.
pub(crate) struct Instance {
    pub(crate) redis: Redis,
    pub(crate) hub: Hub,
    pub(crate) cache: Cache<String, String>,
}

pub(crate) fn policy() -> Policy {
    Policy::ttl(Duration::from_secs(600))
        .jitter_percent(0)
        .absent_ttl(Duration::from_secs(600))
        .timeouts(Timeouts::new(Duration::from_secs(5)))
}

impl Instance {
    pub(crate) fn start(url: &str) -> Self {
        Self::with(url, policy())
    }

    pub(crate) fn with(url: &str, policy: Policy) -> Self {
        Self::deaf_for(DEAF, url, policy)
    }

    pub(crate) fn deaf_for(deaf: Duration, url: &str, policy: Policy) -> Self {
        let settings = towerblock_redis::Settings::from_url(url).unwrap();
        let redis = Redis::connect(settings);
        let remote = Remote::new(redis.clone(), "test").unwrap();
        let remote = remote.deaf_ttl(deaf).quarantine(Duration::from_secs(2));
        let hub = Hub::start_with(Settings::memory(64 << 20), remote).unwrap();
        let cache = hub.cache("things", policy).unwrap();
        Self { redis, hub, cache }
    }

    /// Once Redis is there and others are heard.
    pub(crate) async fn ready(self) -> Self {
        self.is_up().await;
        self
    }

    pub(crate) async fn is_up(&self) {
        let mut status = self.redis.watch();
        let up = status.wait_for(|status| status.writes && status.subscribed);
        tokio::time::timeout(SOON, up).await.unwrap().unwrap();
        // A moment later it may be read.
        let probe = tenant("probe");
        until(async || self.cache.invalidate(&probe, "probe").await == EVERYWHERE).await;
    }

    pub(crate) async fn hit(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        key: &str,
    ) -> Option<Hit<String>> {
        let (from, id, name) = (origin.clone(), tenant.clone(), key.to_owned());
        let load = move || async move {
            from.loads.fetch_add(1, Ordering::SeqCst);
            let value = from.find(&id, &name);
            sleep(from.takes).await;
            let loaded = Loaded::from(value);
            Ok::<_, io::Error>(match from.tag {
                Some(tag) => loaded.tag(tag),
                None => loaded,
            })
        };
        self.cache.get_or_load(tenant, key, load).await.unwrap()
    }

    pub(crate) async fn get(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        key: &str,
    ) -> Option<String> {
        Some((*self.hit(origin, tenant, key).await?).clone())
    }
}

pub(crate) const EVERYWHERE: towerblock_cache::Invalidation =
    towerblock_cache::Invalidation::Everywhere;

pub(crate) fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

/// How long it took.
pub(crate) async fn until(mut done: impl AsyncFnMut() -> bool) -> Duration {
    let since = Instant::now();
    while !done().await {
        assert!(since.elapsed() < SOON, "it does not come to that");
        sleep(Duration::from_millis(5)).await;
    }
    since.elapsed()
}
