use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, GenericClient, Row};
use towerblock_core::{BoxError, TenantId};

use crate::{Isolation, Tenant, TenantState, TenantStore};

/// Tenants in two tables of a PostgreSQL database, `towerblock_tenants` and
/// `towerblock_tenant_domains`, found through the connection's search path.
///
/// It is given a closure that yields a client, or whatever derefs to one, for each lookup:
/// a pooled connection, or an `Arc` of one connection that all lookups share. A lookup is
/// one round trip and prepares nothing, so it works through a pooler in transaction mode as
/// well. A statement or a connection that hangs is the closure's to bound; the registry only
/// stops waiting.
///
/// ```no_run
/// use std::sync::Arc;
/// use tokio::sync::Mutex;
/// use tokio_postgres::Client;
/// use towerblock_core::BoxError;
/// use towerblock_tenant::{PostgresStore, Registry};
///
/// # async fn connect() -> Result<Client, BoxError> { Err("nowhere".into()) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// PostgresStore::create_tables(&connect().await?).await?;
/// // One connection for all lookups, opened anew when it is lost.
/// let open: Arc<Mutex<Option<Arc<Client>>>> = Arc::default();
/// let registry = Registry::new(PostgresStore::new(move || {
///     let open = Arc::clone(&open);
///     async move {
///         let mut open = open.lock().await;
///         match open.as_ref().filter(|client| !client.is_closed()) {
///             Some(client) => Ok(Arc::clone(client)),
///             None => Ok(Arc::clone(open.insert(Arc::new(connect().await?)))),
///         }
///     }
/// }));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore<F> {
    client: F,
}

impl<F, A, C> PostgresStore<F>
where
    F: Fn() -> A + Send + Sync + 'static,
    A: Future<Output = Result<C, BoxError>> + Send,
    C: Deref<Target = Client> + Send + Sync,
{
    /// Looks tenants up through the clients that `client` yields.
    #[must_use]
    pub const fn new(client: F) -> Self {
        Self { client }
    }
}

impl PostgresStore<()> {
    /// The statement that finds the tenant with the id `$1`, for those who send it in a way of
    /// their own, such as to whichever server answers; [`read`](Self::read) makes a record of
    /// its row.
    pub const FIND: &'static str = TENANT;

    /// The record of a tenant, from the row that [`FIND`](Self::FIND) found.
    ///
    /// # Errors
    ///
    /// When the row is of another statement, or says what this version does not know.
    pub fn read(id: TenantId, row: &Row) -> Result<Tenant, BoxError> {
        tenant(id, row)
    }

    /// Makes the tables, unless they are there.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn create_tables(client: &impl GenericClient) -> Result<(), Error> {
        client.batch_execute(TABLES).await
    }

    /// Adds a tenant, or changes the one with its id, and returns the epoch that the record
    /// has then: one more than before, whatever `tenant` says. The change shows where it was
    /// made with the next lookup; call [`invalidate`](crate::Registry::invalidate) after the
    /// transaction.
    ///
    /// # Errors
    ///
    /// Those of the database, and one for a tenant whose key is another than before, or too
    /// large for a `bigint`.
    pub async fn put(client: &impl GenericClient, tenant: &Tenant) -> Result<u64, BoxError> {
        let id = tenant.id.as_str();
        let (key, epoch) = (i64::try_from(tenant.key)?, i64::try_from(tenant.epoch)?);
        let (names, values): (Vec<&str>, Vec<&str>) = tenant
            .attributes
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .unzip();
        let rows = client
            .query_typed(
                PUT,
                &[
                    (&id, Type::TEXT),
                    (&key, Type::INT8),
                    (&state_name(tenant.state), Type::TEXT),
                    (&&*tenant.plan, Type::TEXT),
                    (&i32::from(tenant.placement.shard), Type::INT4),
                    (&isolation_name(tenant.placement.isolation), Type::TEXT),
                    (&&*tenant.region, Type::TEXT),
                    (&epoch, Type::INT8),
                    (&names, Type::TEXT_ARRAY),
                    (&values, Type::TEXT_ARRAY),
                ],
            )
            .await?;
        let row = rows.first();
        let row = row.ok_or_else(|| {
            format!("tenant {id} has another key than {key}, which never changes")
        })?;
        Ok(u64::try_from(row.try_get::<_, i64>(0)?)?)
    }

    /// Gives a tenant a domain, in whatever case, with or without a dot at the end; it may
    /// have been another's.
    ///
    /// # Errors
    ///
    /// Those of the database, such as that there is no such tenant.
    pub async fn put_domain(
        client: &impl GenericClient,
        domain: &str,
        tenant: &TenantId,
    ) -> Result<(), Error> {
        let domain = domain.trim_end_matches('.').to_ascii_lowercase();
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&domain, Type::TEXT), (&tenant.as_str(), Type::TEXT)];
        client.query_typed(PUT_DOMAIN, &parameters).await?;
        Ok(())
    }
}

impl<F, A, C> TenantStore for PostgresStore<F>
where
    F: Fn() -> A + Send + Sync + 'static,
    A: Future<Output = Result<C, BoxError>> + Send,
    C: Deref<Target = Client> + Send + Sync,
{
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, BoxError> {
        let client = (self.client)().await?;
        let row = client
            .query_typed_opt(TENANT, &[(&id.as_str(), Type::TEXT)])
            .await?;
        row.map(|row| tenant(id, &row)).transpose()
    }

    async fn domain(&self, domain: &str) -> Result<Option<TenantId>, BoxError> {
        let client = (self.client)().await?;
        let row = client
            .query_typed_opt(DOMAIN, &[(&domain, Type::TEXT)])
            .await?;
        let id = row.map(|row| row.try_get::<_, String>(0)).transpose()?;
        Ok(id.map(TenantId::new).transpose()?)
    }
}

impl<F> fmt::Debug for PostgresStore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

/// Instances that start together take turns.
const TABLES: &str = "
SELECT pg_advisory_xact_lock(8390891459735478382);
CREATE TABLE IF NOT EXISTS towerblock_tenants (
    id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    key bigint NOT NULL UNIQUE CHECK (key >= 0),
    state text NOT NULL DEFAULT 'active'
        CHECK (state IN ('active', 'read-only', 'moving', 'suspended', 'deleted')),
    plan text NOT NULL DEFAULT '',
    shard integer NOT NULL DEFAULT 0 CHECK (shard BETWEEN 0 AND 65535),
    isolation text NOT NULL CHECK (isolation IN ('row-level', 'schema')),
    region text NOT NULL DEFAULT '',
    epoch bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object')
);
CREATE TABLE IF NOT EXISTS towerblock_tenant_domains (
    domain text PRIMARY KEY CHECK (domain = lower(domain) AND position('.' IN domain) > 0),
    tenant text NOT NULL REFERENCES towerblock_tenants (id) ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS towerblock_tenant_domains_of
    ON towerblock_tenant_domains (tenant);
";

/// The attributes come as two arrays, which need no parser of JSON here.
const TENANT: &str = "
SELECT key, state, plan, shard, isolation, region, epoch,
       ARRAY(SELECT a.key FROM jsonb_each_text(attributes) a WHERE a.value IS NOT NULL ORDER BY a.key),
       ARRAY(SELECT a.value FROM jsonb_each_text(attributes) a WHERE a.value IS NOT NULL ORDER BY a.key)
FROM towerblock_tenants WHERE id = $1";

const DOMAIN: &str = "SELECT tenant FROM towerblock_tenant_domains WHERE domain = $1";

const PUT: &str = "
INSERT INTO towerblock_tenants AS t
    (id, key, state, plan, shard, isolation, region, epoch, attributes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, jsonb_object($9, $10))
ON CONFLICT (id) DO UPDATE SET
    state = excluded.state, plan = excluded.plan, shard = excluded.shard,
    isolation = excluded.isolation, region = excluded.region, epoch = t.epoch + 1,
    attributes = excluded.attributes
WHERE t.key = excluded.key
RETURNING epoch";

const PUT_DOMAIN: &str = "
INSERT INTO towerblock_tenant_domains (domain, tenant) VALUES ($1, $2)
ON CONFLICT (domain) DO UPDATE SET tenant = excluded.tenant";

fn tenant(id: TenantId, row: &Row) -> Result<Tenant, BoxError> {
    let text = |column| row.try_get::<_, &str>(column);
    let isolation = text(4)?;
    let isolation = [Isolation::RowLevel, Isolation::Schema]
        .into_iter()
        .find(|known| isolation_name(*known) == isolation)
        .ok_or_else(|| format!("unknown isolation {isolation}"))?;
    let key = u64::try_from(row.try_get::<_, i64>(0)?)?;
    let mut tenant = Tenant::new(id, key, isolation);
    let state = text(1)?;
    tenant.state = STATES
        .into_iter()
        .find(|known| state_name(*known) == state)
        .ok_or_else(|| format!("unknown state {state}"))?;
    tenant.plan = text(2)?.into();
    tenant.placement.shard = u16::try_from(row.try_get::<_, i32>(3)?)?;
    tenant.region = text(5)?.into();
    tenant.epoch = u64::try_from(row.try_get::<_, i64>(6)?)?;
    let names: Vec<&str> = row.try_get(7)?;
    let values: Vec<&str> = row.try_get(8)?;
    let attributes = names.into_iter().zip(values);
    let attributes: BTreeMap<Arc<str>, Arc<str>> = attributes
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    tenant.attributes = attributes;
    Ok(tenant)
}

const STATES: [TenantState; 5] = [
    TenantState::Active,
    TenantState::ReadOnly,
    TenantState::Moving,
    TenantState::Suspended,
    TenantState::Deleted,
];

const fn state_name(state: TenantState) -> &'static str {
    match state {
        TenantState::Active => "active",
        TenantState::ReadOnly => "read-only",
        TenantState::Moving => "moving",
        TenantState::Suspended => "suspended",
        TenantState::Deleted => "deleted",
    }
}

const fn isolation_name(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::RowLevel => "row-level",
        Isolation::Schema => "schema",
    }
}
