//! The statements. Each names its tenant's key as well: row-level security is the net
//! under them, not the wall.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use towerblock_core::{Reason, Rejected, Stats};
use towerblock_page::{Page, Seek, Statement};
use towerblock_postgres::{Scope, Statistics, Transaction, Write};
use towerblock_quota::{Claim, Usage};
use towerblock_tenant::Tenant;

use super::counts::Counts;
use super::{PostgresStore, binding};
use crate::caches::Stale;
use crate::limits::tell;
use crate::store::{Draft, Package, Plugin, Profile, Store, StoreError};

type Parameter<'a> = &'a (dyn ToSql + Sync);

/// Beside every search path: all tenants share it.
const PACKAGES: &str = "towerblock_market.packages";
const COLUMNS: &str = "id, team_id, name, description, version, created_at, updated_at";

impl PostgresStore {
    async fn list(
        &self,
        label: &'static str,
        tenant: &Tenant,
        scope: &Scope,
        list: &Statement<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let parameters: Vec<_> = list.parameters.iter().map(|(value, _)| *value).collect();
        let binding = binding(tenant);
        let rows = self.read(label, &binding, scope, &list.sql, &parameters);
        self.circuits.read(&tenant.id, rows).await
    }

    /// Writes, and in the same transaction counts it and notes what is stale by it.
    async fn change(
        &self,
        tenant: &Tenant,
        write: Write<'_>,
        (label, statement, parameters): (&'static str, &str, &[Parameter<'_>]),
        counts: Counts<'_>,
        stale: impl Fn(&[Row]) -> Stale + Sync,
    ) -> Result<Vec<Row>, StoreError> {
        let stale = &stale;
        let work = async |transaction: &Transaction<'_>| {
            let rows = transaction.query(statement, parameters).await?;
            let stale = stale(&rows);
            // At once: they are one round trip. The lock on the count is held until the commit
            // and no longer. The first that failed says why.
            let client = transaction.raw();
            let noted = self.caches.note(client, &tenant.id, &stale);
            let noted = async { Ok::<_, StoreError>(noted.await?) };
            let both = tokio::try_join!(biased; noted, counts.count(client, &rows));
            let ((), usage) = both.inspect_err(|error| error.tell(transaction))?;
            Ok::<_, StoreError>((rows, usage))
        };
        // Cancel safety: dropped, the turn is somebody else's.
        let _turn = self.turn(&tenant.id, counts).await?;
        let written = write.transaction(label, work);
        let (rows, usage) = self.circuits.write(&tenant.id, written).await?;
        usage.iter().for_each(tell);
        Ok(rows)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn plugins(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        team: Option<i64>,
        page: &Seek,
    ) -> Result<Page<Plugin>, StoreError> {
        let key = key(tenant)?;
        let tenants: (Parameter<'_>, Type) = (&key, Type::INT8);
        let query = page.query(COLUMNS, "plugins");
        let (label, query) = match &team {
            None => {
                let query = query.filter("tenant_key = $1", &[tenants]);
                ("plugins.list", query)
            }
            Some(team) => {
                let of_team = "tenant_key = $1 AND team_id = $2";
                let query = query.filter(of_team, &[tenants, (team, Type::INT8)]);
                ("plugins.of_team", query)
            }
        };
        let list = query.statement();
        let rows = self.list(label, tenant, scope, &list).await?;
        Ok(query.page(&rows, None, |row| Ok(plugin(row)?))?)
    }

    async fn plugin(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        id: i64,
    ) -> Result<Option<Plugin>, StoreError> {
        let statement = format!("SELECT {COLUMNS} FROM plugins WHERE tenant_key = $1 AND id = $2");
        let (binding, key) = (binding(tenant), key(tenant)?);
        let parameters: [Parameter<'_>; 2] = [&key, &id];
        let rows = self.read("plugins.get", &binding, scope, &statement, &parameters);
        let rows = self.circuits.read(&tenant.id, rows).await?;
        Ok(rows.first().map(plugin).transpose()?)
    }

    async fn create(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        counted: &Claim,
        draft: Draft,
    ) -> Result<Plugin, StoreError> {
        let statement = format!(
            "INSERT INTO plugins (tenant_key, team_id, name, description, version)
             VALUES ($1, $2, $3, $4, $5) RETURNING {COLUMNS}"
        );
        let (binding, key) = (binding(tenant), key(tenant)?);
        let write = self.cluster.write(&binding).within(scope);
        let parameters = of_draft(&key, &draft);
        let made = |rows: &[Row]| {
            let id = rows.first().and_then(|row| row.try_get("id").ok());
            id.map_or(Stale::Lists, Stale::Plugin)
        };
        let change = ("plugins.create", statement.as_str(), &parameters[..]);
        let counts = Counts::More(counted);
        let rows = self.change(tenant, write, change, counts, made).await?;
        Ok(plugin(rows.first().ok_or(StoreError::NoRow)?)?)
    }

    async fn replace(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        id: i64,
        draft: Draft,
    ) -> Result<Option<Plugin>, StoreError> {
        let statement = format!(
            "UPDATE plugins SET team_id = $2, name = $3, description = $4, version = $5,
             updated_at = now() WHERE tenant_key = $1 AND id = $6 RETURNING {COLUMNS}"
        );
        let (binding, key) = (binding(tenant), key(tenant)?);
        let write = self.cluster.write(&binding).within(scope).idempotent();
        let mut parameters = of_draft(&key, &draft).to_vec();
        parameters.push(&id);
        let change = ("plugins.replace", statement.as_str(), &parameters[..]);
        let rows = self
            .change(tenant, write, change, Counts::Nothing, |_| {
                Stale::Plugin(id)
            })
            .await?;
        Ok(rows.first().map(plugin).transpose()?)
    }

    async fn delete(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        counted: &Claim,
        id: i64,
    ) -> Result<bool, StoreError> {
        let statement = "DELETE FROM plugins WHERE tenant_key = $1 AND id = $2 RETURNING id";
        let (binding, key) = (binding(tenant), key(tenant)?);
        let write = self.cluster.write(&binding).within(scope);
        let parameters: [Parameter<'_>; 2] = [&key, &id];
        let change = ("plugins.delete", statement, &parameters[..]);
        let counts = Counts::Less(counted);
        let deleted = self
            .change(tenant, write, change, counts, |_| Stale::Plugin(id))
            .await?;
        Ok(!deleted.is_empty())
    }

    async fn profile(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        user: &str,
    ) -> Result<Option<Profile>, StoreError> {
        let statement =
            "SELECT display_name, email FROM profiles WHERE tenant_key = $1 AND user_id = $2";
        let (binding, key) = (binding(tenant), key(tenant)?);
        let parameters: [Parameter<'_>; 2] = [&key, &user];
        let rows = self.read("profiles.get", &binding, scope, statement, &parameters);
        let profile = |row: &Row| {
            Ok(Profile {
                display_name: row.try_get(0)?,
                email: row.try_get(1)?,
            })
        };
        let rows = self.circuits.read(&tenant.id, rows).await?;
        rows.first().map(profile).transpose()
    }

    async fn set_profile(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        user: &str,
        profile: Profile,
    ) -> Result<(), StoreError> {
        let statement = "INSERT INTO profiles (tenant_key, user_id, display_name, email)
             VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_key, user_id)
             DO UPDATE SET display_name = excluded.display_name, email = excluded.email";
        let (binding, key) = (binding(tenant), key(tenant)?);
        let parameters: [Parameter<'_>; 4] = [&key, &user, &profile.display_name, &profile.email];
        let write = self.cluster.write(&binding).within(scope).idempotent();
        let change = ("profiles.set", statement, &parameters[..]);
        let of_user = |_: &[Row]| Stale::Profile(user.to_owned());
        self.change(tenant, write, change, Counts::Nothing, of_user)
            .await?;
        Ok(())
    }

    async fn packages(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        page: &Seek,
    ) -> Result<Page<Package>, StoreError> {
        let query = page.query("id, name, summary, created_at", PACKAGES);
        let list = query.statement();
        let rows = self.list("packages.list", tenant, scope, &list).await?;
        let package = |row: &Row| {
            Ok(Package {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                summary: row.try_get(2)?,
                created_at: row.try_get(3)?,
            })
        };
        Ok(query.page(&rows, None, package)?)
    }

    async fn usage(&self, tenant: &Tenant, claims: &[Claim]) -> Result<Vec<Usage>, StoreError> {
        self.used(tenant, claims).await
    }

    async fn count(&self, claims: &[Claim]) -> Result<Vec<Usage>, StoreError> {
        self.add(claims).await
    }

    fn is_ready(&self) -> bool {
        let mut servers = self.cluster.servers().into_iter();
        // One that was never reached is not known to be away.
        let answers = servers.any(|server| server.is_primary.is_some() && !server.is_away);
        answers && self.is_set_up.load(Ordering::Relaxed)
    }

    fn stats(&self) -> Option<Arc<dyn Stats>> {
        Some(Arc::new(self.cluster.clone()))
    }

    fn queries(&self) -> Option<&Statistics> {
        Some(self.cluster.statistics())
    }

    async fn close(&self, patience: Duration) -> usize {
        let aside = self.aside.drain(patience);
        let (used, aside) = tokio::join!(self.cluster.drain(patience), aside);
        used + aside
    }
}

/// PostgreSQL has no unsigned numbers: no tenant has a key above the half.
fn key(tenant: &Tenant) -> Result<i64, Rejected> {
    let unknown = |_| Rejected::new("store", Reason::UnknownTenant);
    i64::try_from(tenant.key).map_err(unknown)
}

fn of_draft<'a>(key: &'a i64, draft: &'a Draft) -> [Parameter<'a>; 5] {
    [
        key,
        &draft.team_id,
        &draft.name,
        &draft.description,
        &draft.version,
    ]
}

fn plugin(row: &Row) -> Result<Plugin, tokio_postgres::Error> {
    Ok(Plugin {
        id: row.try_get(0)?,
        team_id: row.try_get(1)?,
        name: row.try_get(2)?,
        description: row.try_get(3)?,
        version: row.try_get(4)?,
        created_at: row.try_get(5)?,
        updated_at: row.try_get(6)?,
    })
}
