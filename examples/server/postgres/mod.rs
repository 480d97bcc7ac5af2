//! The data in PostgreSQL: a primary, and streaming standbys for reads.

mod bind;
mod embedded;
mod pool;
mod setup;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use tokio_postgres::config::Host;
use towerblock_core::{BoxError, Metric, Stats, Value};
use towerblock_tenant::Registry;

pub(crate) use self::embedded::Embedded;
use self::pool::Pool;
use crate::config::Config;

/// Standbys are behind by less than this, we hope: as long do the reads of a tenant that
/// wrote go to the primary.
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
    ready: AtomicBool,
}

impl PostgresStore {
    /// Connects to nothing yet: the server starts while its database is away.
    pub(crate) fn new(
        config: &Config,
        primary: &tokio_postgres::Config,
    ) -> Result<Arc<Self>, BoxError> {
        let kept = config.database_pool_min;
        let primary = Pool::new("primary", primary, config.database_pool_max, kept)?;
        let most = config.database_replica_pool_max;
        let replicas = config.database_read_replicas.iter();
        let replicas = replicas.map(|replica| Pool::new("replica", replica, most, 0));
        Ok(Arc::new(Self {
            primary,
            replicas: replicas.collect::<Result<_, _>>()?,
            next_replica: AtomicUsize::new(0),
            unsettled: Cache::builder()
                .time_to_live(SETTLED_AFTER)
                .max_capacity(100_000)
                .build(),
            ready: AtomicBool::new(false),
        }))
    }

    /// Sets the database up once it can be reached, and from then on asks every second
    /// whether it still can.
    pub(crate) async fn supervise(self: Arc<Self>, registry: Arc<Registry>) {
        let mut tick = tokio::time::interval(PROBE_EVERY);
        let mut is_set_up = false;
        loop {
            tick.tick().await;
            let outcome = if is_set_up {
                self.primary.probe().await
            } else {
                let setup = setup::run(&self.primary, &registry);
                let outcome = tokio::time::timeout(SETUP_TIMEOUT, setup).await;
                let outcome = outcome.unwrap_or_else(|late| Err(late.into()));
                is_set_up = outcome.is_ok();
                outcome
            };
            let is_ready = outcome.is_ok();
            let was_ready = self.ready.swap(is_ready, Ordering::Relaxed);
            match outcome {
                Ok(()) if !was_ready => tracing::info!("the database is ready"),
                Err(error) if was_ready || !is_set_up => {
                    tracing::warn!(error = &*error, "the database is not ready");
                }
                _ => {}
            }
        }
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
static METRICS: &[Metric] = &[CONNECTIONS, IDLE];

impl Stats for PostgresStore {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let numbered = self.replicas.iter().enumerate();
        let replicas = numbered.map(|(n, pool)| (format!("replica-{n}"), pool));
        for (label, pool) in replicas.chain([("primary".to_owned(), &self.primary)]) {
            let (open, idle) = pool.connections();
            sink(&CONNECTIONS, &label, Value::Level(open.into()));
            sink(&IDLE, &label, Value::Level(idle.into()));
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
