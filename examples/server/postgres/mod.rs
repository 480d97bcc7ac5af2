//! The data in PostgreSQL: a primary, and streaming standbys for reads.

mod counts;
mod embedded;
mod quotas;
mod setup;
mod store;
mod url;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, timeout};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use towerblock_cache::{OutboxError, Relay};
use towerblock_core::{BoxError, TenantId};
use towerblock_fair::FairSemaphore;
use towerblock_postgres::{
    Binding, Budget, Cluster, Examination, Finding, Replicas, SchemaName, Scope, Servers, Settings,
    examine,
};
use towerblock_tenant::{self as tenant, Isolation, Tenant, TenantStore};

pub(crate) use self::embedded::Embedded;
pub(crate) use self::url::address;
use crate::caches::{self, Caches};
use crate::circuits::Circuits;
use crate::config::{Config, Secret};

/// As long as the registry waits.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);
/// A start is a start, however slow the catalogue is.
const EXAMINE_TIMEOUT: Duration = Duration::from_secs(5);
const SETUP_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(crate) struct PostgresStore {
    cluster: Cluster,
    /// One connection that no request waits for, and that waits for none.
    aside: Cluster,
    circuits: Circuits,
    /// What changes a count waits here for those of its tenant, and not in the database: there
    /// it would hold a connection, and look as if that were slow.
    counting: FairSemaphore,
    caches: Arc<Caches>,
    is_set_up: AtomicBool,
}

impl PostgresStore {
    /// Connects to nothing yet: the server starts while its database is away.
    pub(crate) fn new(
        config: &Config,
        primary: &Secret,
        circuits: Circuits,
        caches: Arc<Caches>,
    ) -> Result<Arc<Self>, BoxError> {
        let mut replicas = Replicas::default();
        // A read that is refused is worse here than a primary that has more to do; what it
        // may have is bounded by its connections.
        replicas.fallback_percent = 100;
        let settings = Settings::new(Budget::fixed(config.database_pool_max))
            .replica_budget(Budget::fixed(config.database_replica_pool_max))
            .min_idle(config.kept_connections())
            .replicas(replicas);
        let aside = Settings::new(Budget::fixed(NonZeroUsize::MIN));
        Ok(Arc::new(Self {
            cluster: Cluster::start(servers(config, primary)?, settings),
            aside: Cluster::start(servers(config, primary)?, aside),
            circuits,
            counting: counts::turns(config.database_pool_max),
            caches,
            is_set_up: AtomicBool::new(false),
        }))
    }

    /// Sets the database up once it can be reached, and then looks for what is wrong with it.
    pub(crate) async fn supervise(self: Arc<Self>) {
        let mut tick = tokio::time::interval(SETUP_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = None;
        loop {
            tick.tick().await;
            // Somebody may have, and the primary be away.
            if self.has_it_all().await {
                break;
            }
            if let Err(error) = setup::run(&self.cluster).await {
                let error = error.to_string();
                if told.as_ref() != Some(&error) {
                    tracing::warn!(error, "cannot set up the database");
                    told = Some(error);
                }
            }
        }
        self.is_set_up.store(true, Ordering::Relaxed);
        tracing::info!("the database is ready");
        // Requests are served by now; what is found stops nothing.
        match timeout(EXAMINE_TIMEOUT, self.examine()).await {
            Ok(Ok(findings)) => findings.iter().for_each(|finding| {
                let severity = finding.severity();
                tracing::warn!(?severity, %finding, "the database should be looked at");
            }),
            Ok(Err(error)) => tracing::warn!(error, "cannot examine the database"),
            Err(_) => tracing::warn!("examining the database took too long"),
        }
    }

    /// Finds what other instances wrote, and what nobody lived to say.
    pub(crate) fn relay(self: &Arc<Self>) -> Result<Relay, OutboxError> {
        let store = Arc::clone(self);
        let client = move || {
            let store = Arc::clone(&store);
            async move {
                let ours = Binding::shared();
                Ok(store.aside.dedicated("cache.outbox", &ours).await?)
            }
        };
        self.caches.hub.relay(caches::outbox()?, client)
    }

    /// What would let one tenant see another's rows, and the like.
    async fn examine(&self) -> Result<Vec<Finding>, BoxError> {
        let ours = Binding::shared();
        // Cancel safety: dropped, its connection is closed.
        let client = self.cluster.dedicated("setup.examine", &ours).await?;
        let shared = Examination::default().schema(setup::SHARED_TABLES);
        Ok(examine(&client, &shared.role(setup::ROLE)).await?)
    }

    /// Whether a server that would be read has all that there is to be.
    async fn has_it_all(&self) -> bool {
        let ours = Binding::shared();
        let read = self.cluster.read(&ours);
        let rows = read.query("setup.check", setup::IS_DONE, &[]).await;
        let row = rows.ok().and_then(|rows| rows.into_iter().next());
        row.is_some_and(|row| row.try_get(0).unwrap_or(false))
    }

    /// Where the registry looks tenants up.
    pub(crate) fn tenants(self: &Arc<Self>) -> impl TenantStore {
        let store = Arc::clone(self);
        move |id: TenantId| {
            let store = Arc::clone(&store);
            async move {
                // The registry bounds how many there are, and how long each may take.
                let (ours, scope) = (Binding::shared(), Scope::new(LOOKUP_TIMEOUT));
                let find = tenant::PostgresStore::FIND;
                let name = id.as_str();
                let parameters: [&(dyn ToSql + Sync); 1] = [&name];
                let rows = store.read("tenants.find", &ours, &scope, find, &parameters);
                let rows = store.circuits.look_up(rows).await?;
                let row = rows.into_iter().next();
                let found = row.map(|row| tenant::PostgresStore::read(id, &row));
                found.transpose()
            }
        }
    }

    /// Reads from a standby when there is one that will do.
    async fn read(
        &self,
        label: &'static str,
        binding: &Binding,
        scope: &Scope,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, towerblock_postgres::Error> {
        let read = self.cluster.read(binding).within(scope);
        match read.query(label, statement, parameters).await {
            // Made a moment ago, and not there yet.
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
                let write = self.cluster.write(binding).within(scope);
                write.query(label, statement, parameters).await
            }
            outcome => outcome,
        }
    }
}

fn servers(config: &Config, primary: &Secret) -> Result<Servers, BoxError> {
    let mut servers = Servers::new(&url::with_search_path(primary.expose()))?;
    for replica in &config.database_read_replicas {
        servers = servers.replica(&url::with_search_path(replica.expose()))?;
    }
    Ok(servers)
}

/// By which means a statement sees the rows of this tenant and no others.
fn binding(tenant: &Tenant) -> Binding {
    match tenant.placement.isolation {
        Isolation::Schema => Binding::schema(&tenant.id, SchemaName::from_key(tenant.key)),
        // Tables under row-level security show nothing that is not bound to a tenant.
        _ => Binding::row_level(&tenant.id, setup::ROLE, tenant.key),
    }
}
