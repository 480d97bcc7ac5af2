use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, GenericClient, NoTls};
use towerblock_cache::{Cache, Hub, Outbox, Policy, Relay, Remote, Settings};
use towerblock_core::{BoxError, Stats, TenantId, Value};
use towerblock_testkit::Postgres;

pub(crate) const TABLE: &str = "private.cache_outbox";
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// How often the instances of these tests look.
pub(crate) const EVERY: Duration = Duration::from_millis(50);

/// One of several processes.
pub(crate) struct Instance {
    pub(crate) hub: Hub,
    pub(crate) cache: Cache<String, String>,
    pub(crate) relay: Relay,
    pub(crate) redis: Option<towerblock_redis::Redis>,
    born: Instant,
}

/// What has that name, or that label.
fn counted(of: &impl Stats, name: &str) -> u64 {
    let mut found = 0;
    of.read(&mut |metric, label, value| {
        if let (true, Value::Count(count)) = ([metric.name, label].contains(&name), value) {
            found = count;
        }
    });
    found
}

pub(crate) fn outbox() -> Outbox {
    Outbox::table(TABLE).unwrap().every(EVERY)
}

pub(crate) async fn connect(url: &str) -> Result<Client, BoxError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // It ends with its client.
    tokio::spawn(connection);
    Ok(client)
}

/// A server with the outbox, and a client of it.
pub(crate) async fn database() -> (Postgres, Client) {
    let postgres = Postgres::builder().start().await.unwrap();
    let client = connect(&postgres.primary().url()).await.unwrap();
    outbox().create(&client).await.unwrap();
    (postgres, client)
}

impl Instance {
    /// One that keeps all in memory.
    pub(crate) fn alone(url: &str, outbox: Outbox) -> Self {
        let hub = Hub::start(Settings::memory(64 << 20)).unwrap();
        let url = url.to_owned();
        Self::of(hub, outbox, move || url.clone())
    }

    /// One that shares what it has.
    pub(crate) fn sharing(url: &str, redis_url: &str, outbox: Outbox) -> Self {
        let settings = towerblock_redis::Settings::from_url(redis_url).unwrap();
        let redis = towerblock_redis::Redis::connect(settings);
        let remote = Remote::new(redis.clone(), "test").unwrap();
        let hub = Hub::start_with(Settings::memory(64 << 20), remote).unwrap();
        let url = url.to_owned();
        let instance = Self::of(hub, outbox, move || url.clone());
        Self {
            redis: Some(redis),
            ..instance
        }
    }

    /// One that asks each time where its database is.
    pub(crate) fn of(
        hub: Hub,
        outbox: Outbox,
        url: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        let cache = hub.cache("things", policy()).unwrap();
        let client = move || {
            let url = url();
            async move { Ok(Box::new(connect(&url).await?)) }
        };
        let relay = hub.relay(outbox, client).unwrap();
        Self {
            hub,
            cache,
            relay,
            redis: None,
            born: Instant::now(),
        }
    }

    /// Once it has looked for the first time, and others are heard.
    pub(crate) async fn ready(self) -> Self {
        if let Some(redis) = &self.redis {
            let mut status = redis.watch();
            let up = status.wait_for(|status| status.writes && status.subscribed);
            tokio::time::timeout(SOON, up).await.unwrap().unwrap();
        }
        until(async || self.is_at_work()).await;
        until(async || {
            let (old, fresh) = (self.put("a", "probe").await, self.peek("a", "probe"));
            old == fresh
        })
        .await;
        self
    }

    /// Has it in memory, and knows what it is.
    pub(crate) async fn put(&self, tenant: &str, key: &str) -> Option<String> {
        self.cache.put(&id(tenant), key, "old".to_owned()).await;
        Some("old".to_owned())
    }

    /// Notes that it is to be forgotten.
    pub(crate) async fn note(&self, transaction: &impl GenericClient, tenant: &str, key: &str) {
        let tenant = id(tenant);
        let noted = self.cache.invalidate_in(transaction, &tenant, key);
        noted.await.unwrap();
    }

    pub(crate) fn peek(&self, tenant: &str, key: &str) -> Option<String> {
        let hit = self.cache.peek(&id(tenant), key)?;
        Some((*hit).clone())
    }

    /// What a caller gets, where the truth is `new`.
    pub(crate) async fn get(&self, tenant: &str, key: &str) -> String {
        let load = || async { Ok::<_, io::Error>("new".to_owned()) };
        let hit = self.cache.get_or_load(&id(tenant), key, load).await;
        (*hit.unwrap().unwrap()).clone()
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        counted(&self.relay, name)
    }

    /// How often it could not know what else there was.
    pub(crate) fn suspicions(&self) -> u64 {
        counted(&self.hub, "all_suspected")
    }

    /// How often it has called Redis.
    pub(crate) fn calls(&self) -> u64 {
        counted(self.redis.as_ref().unwrap(), "redis_calls")
    }

    /// It has looked at least once.
    pub(crate) fn is_at_work(&self) -> bool {
        self.silent() + 0.001 < self.born.elapsed().as_secs_f64()
    }

    fn silent(&self) -> f64 {
        let mut found = 0.0;
        self.relay.read(&mut |_, _, value| {
            if let Value::Level(level) = value {
                found = level;
            }
        });
        found
    }
}

fn policy() -> Policy {
    Policy::ttl(Duration::from_secs(600)).jitter_percent(0)
}

pub(crate) fn id(tenant: &str) -> TenantId {
    TenantId::new(tenant).unwrap()
}

/// How long it took.
pub(crate) async fn until(mut done: impl AsyncFnMut() -> bool) -> Duration {
    let since = Instant::now();
    while !done().await {
        assert!(since.elapsed() < SOON, "it does not come to that");
        sleep(Duration::from_millis(2)).await;
    }
    since.elapsed()
}

/// How many notes there are, and how many that Redis was not told of.
pub(crate) async fn notes(client: &Client) -> (i64, i64) {
    let counts = format!("SELECT count(*), count(*) FILTER (WHERE NOT told) FROM {TABLE}");
    let row = client.query_one(&counts, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<AtomicUsize>);

impl Calls {
    pub(crate) fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Notes of a tenant of which nobody has anything.
pub(crate) fn others(count: usize) -> String {
    let note = r#"{"scope": {"scope": {"tenant": "other"}}}"#;
    format!("INSERT INTO {TABLE} (forget) SELECT '{note}' FROM generate_series(1, {count})")
}
