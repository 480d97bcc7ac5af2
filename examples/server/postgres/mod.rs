//! The data in PostgreSQL: a primary, and streaming standbys for reads.

mod bind;
mod directory;
mod embedded;
mod manager;
mod pool;
mod setup;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use moka::sync::Cache;
use tokio::time::MissedTickBehavior;
use tokio_postgres::config::Host;
use towerblock_core::{BoxError, Metric, Stats, TenantId, Value};
use towerblock_tenant::{self as tenant, TenantStore};

pub(crate) use self::embedded::Embedded;
use self::pool::Pool;
use crate::config::Config;
use crate::store::StoreError;

/// Standbys are behind by less than this, we hope: as long do the reads of a tenant that
/// wrote through this instance go to the primary. Other instances do not know of it.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
const SETUP_TIMEOUT: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct PostgresStore {
    primary: Pool,
    replicas: Vec<Pool>,
    next_replica: AtomicUsize,
    /// The keys of tenants that wrote lately.
    unsettled: Cache<u64, ()>,
    /// In whose name the server itself asks: in turns with its tenants.
    ours: TenantId,
}

impl PostgresStore {
    /// Connects to nothing yet: the server starts while its database is away.
    pub(crate) fn new(
        config: &Config,
        primary: &tokio_postgres::Config,
    ) -> Result<Arc<Self>, BoxError> {
        let kept = config.kept_connections();
        let primary = Pool::new(
            "primary".to_owned(),
            primary,
            config.database_pool_max,
            kept,
        );
        let most = config.database_replica_pool_max;
        let replicas = config.database_read_replicas.iter().enumerate();
        let replicas = replicas.map(|(n, at)| Pool::new(format!("replica-{n}"), at, most, 0));
        Ok(Arc::new(Self {
            ours: TenantId::new("server")?,
            primary,
            replicas: replicas.collect(),
            next_replica: AtomicUsize::new(0),
            unsettled: Cache::builder()
                .time_to_live(SETTLED_AFTER)
                .max_capacity(100_000)
                .build(),
        }))
    }

    /// Sets the database up once it can be reached, and from then on asks every server
    /// each second whether it still can.
    pub(crate) async fn supervise(self: Arc<Self>) {
        let mut tick = tokio::time::interval(PROBE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_set_up = false;
        let mut told = None;
        loop {
            tick.tick().await;
            if !is_set_up {
                let setup = setup::run(&self.primary, &self.ours);
                let outcome = tokio::time::timeout(SETUP_TIMEOUT, setup).await;
                match outcome.unwrap_or_else(|late| Err(late.into())) {
                    Ok(()) => is_set_up = true,
                    Err(error) => {
                        let error = error.to_string();
                        if told.as_ref() != Some(&error) {
                            tracing::warn!(error, "cannot set up the database");
                            told = Some(error);
                        }
                    }
                }
            }
            let replicas = self.replicas.iter().map(|pool| look(pool, &self.ours));
            tokio::join!(look(&self.primary, &self.ours), join_all(replicas));
        }
    }

    /// Where the registry looks tenants up: the first server that is usable.
    pub(crate) fn tenants(self: &Arc<Self>) -> impl TenantStore {
        let store = Arc::clone(self);
        tenant::PostgresStore::new(move || {
            let store = Arc::clone(&store);
            async move {
                let mut servers = [&store.primary].into_iter().chain(&store.replicas);
                let server = servers.find(|pool| pool.is_usable());
                server.unwrap_or(&store.primary).directory().await
            }
        })
    }

    /// Where this tenant's reads go: `None` for the primary.
    fn replica_for(&self, key: Option<u64>) -> Option<&Pool> {
        let is_unsettled = key.is_some_and(|key| self.unsettled.contains_key(&key));
        if self.replicas.is_empty() || is_unsettled {
            return None;
        }
        let next = self.next_replica.fetch_add(1, Ordering::Relaxed);
        self.replicas.get(next % self.replicas.len())
    }
}

async fn look(pool: &Pool, by: &TenantId) {
    let (is_usable, why) = match setup::check(pool, by).await {
        Ok(true) => (true, String::new()),
        Ok(false) => (false, "not set up yet".to_owned()),
        // It has too much to do, which is not to be away.
        Err(StoreError::Refused(_)) => return,
        Err(error) => (false, error.to_string()),
    };
    if pool.set_usable(is_usable) {
        let name = pool.name();
        match is_usable {
            true => tracing::info!(name, "the database is ready"),
            false => tracing::warn!(name, why, "the database is not ready"),
        }
    }
}

static CONNECTIONS: Metric = Metric::gauge(
    "database_connections",
    "connections",
    "Connections to the database that are open",
)
.labelled("pool");
static IDLE: Metric = Metric::gauge(
    "database_connections_idle",
    "connections",
    "Connections to the database that nobody uses",
)
.labelled("pool");
static WAITING: Metric = Metric::gauge(
    "database_waiting",
    "requests",
    "Requests that wait for a connection",
)
.labelled("pool");
static USABLE: Metric = Metric::gauge(
    "database_usable",
    "",
    "Whether the server answered when it was last asked: 1 or 0",
)
.labelled("pool");
static METRICS: &[Metric] = &[CONNECTIONS, IDLE, WAITING, USABLE];

impl Stats for PostgresStore {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        for pool in self.replicas.iter().chain([&self.primary]) {
            let status = pool.status();
            let level =
                |count: usize| Value::Level(u32::try_from(count).unwrap_or(u32::MAX).into());
            sink(&CONNECTIONS, pool.name(), level(status.open));
            sink(
                &IDLE,
                pool.name(),
                level(status.open.saturating_sub(status.used)),
            );
            sink(&WAITING, pool.name(), level(status.waiting));
            let usable = u8::from(pool.is_usable());
            sink(&USABLE, pool.name(), Value::Level(usable.into()));
        }
    }
}

/// `host:port` of each host, without what must not be printed.
pub(crate) fn hosts(config: &tokio_postgres::Config) -> String {
    let ports = config
        .get_ports()
        .iter()
        .copied()
        .chain(std::iter::repeat(5_432));
    let named = config
        .get_hosts()
        .iter()
        .zip(ports)
        .map(|(host, port)| match host {
            Host::Tcp(host) => format!("{host}:{port}"),
            Host::Unix(path) => path.display().to_string(),
        });
    named.collect::<Vec<_>>().join(",")
}
