//! The statements. Each names its tenant's key as well: row-level security is the net
//! under them, not the wall.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use moka::sync::Cache;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use towerblock_core::{Reason, Rejected};
use towerblock_page::{Page, Seek};
use towerblock_tenant::Tenant;

use super::PostgresStore;
use super::bind::{Binding, Mode, Parameter};
use super::pool::Pool;
use crate::store::{Draft, Package, Plugin, Profile, Store, StoreError};

const COLUMNS: &str = "id, team_id, name, description, version, created_at, updated_at";

impl PostgresStore {
    /// From a standby when there is one; from the primary when that fails.
    async fn read(
        &self,
        tenant: &Tenant,
        binding: Binding,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let id = &tenant.id;
        let mode = Mode::ReadOnly;
        if let Some(replica) = self.replica_for(binding.key()) {
            match replica
                .query(id, binding, mode, statement, parameters)
                .await
            {
                Err(StoreError::Unavailable { .. }) => {}
                outcome => return outcome,
            }
        }
        self.primary
            .query(id, binding, mode, statement, parameters)
            .await
    }

    async fn write(
        &self,
        tenant: &Tenant,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let _unsettled = Unsettled {
            keys: &self.unsettled,
            key: tenant.key,
        };
        let (id, binding) = (&tenant.id, Binding::of(tenant));
        let mode = Mode::ReadWrite;
        self.primary
            .query(id, binding, mode, statement, parameters)
            .await
    }
}

/// Marks a tenant as one that wrote, also when nobody waits for it any more: then it may
/// have.
struct Unsettled<'a> {
    keys: &'a Cache<u64, ()>,
    key: u64,
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        self.keys.insert(self.key, ());
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn plugins(
        &self,
        tenant: &Tenant,
        team: Option<i64>,
        page: &Seek,
    ) -> Result<Page<Plugin>, StoreError> {
        let key = key(tenant)?;
        let tenants: Parameter<'_> = (&key, Type::INT8);
        let query = page.query(COLUMNS, "plugins");
        let query = match &team {
            None => query.filter("tenant_key = $1", &[tenants]),
            Some(team) => {
                let of_team = "tenant_key = $1 AND team_id = $2";
                query.filter(of_team, &[tenants, (team, Type::INT8)])
            }
        };
        let list = query.statement();
        let binding = Binding::of(tenant);
        let rows = self
            .read(tenant, binding, &list.sql, &list.parameters)
            .await?;
        Ok(query.page(&rows, None, |row| Ok(plugin(row)?))?)
    }

    async fn plugin(&self, tenant: &Tenant, id: i64) -> Result<Option<Plugin>, StoreError> {
        let statement = format!("SELECT {COLUMNS} FROM plugins WHERE tenant_key = $1 AND id = $2");
        let parameters: [Parameter<'_>; 2] = [(&key(tenant)?, Type::INT8), (&id, Type::INT8)];
        let binding = Binding::of(tenant);
        let rows = self.read(tenant, binding, &statement, &parameters).await?;
        rows.first().map(plugin).transpose()
    }

    async fn create(&self, tenant: &Tenant, draft: Draft) -> Result<Plugin, StoreError> {
        let statement = format!(
            "INSERT INTO plugins (tenant_key, team_id, name, description, version)
             VALUES ($1, $2, $3, $4, $5) RETURNING {COLUMNS}"
        );
        let key = key(tenant)?;
        let rows = self
            .write(tenant, &statement, &of_draft(&key, &draft))
            .await?;
        let row = rows.first().ok_or(StoreError::NoRow)?;
        plugin(row)
    }

    async fn replace(
        &self,
        tenant: &Tenant,
        id: i64,
        draft: Draft,
    ) -> Result<Option<Plugin>, StoreError> {
        let statement = format!(
            "UPDATE plugins SET team_id = $2, name = $3, description = $4, version = $5,
             updated_at = now() WHERE tenant_key = $1 AND id = $6 RETURNING {COLUMNS}"
        );
        let key = key(tenant)?;
        let mut parameters = of_draft(&key, &draft).to_vec();
        parameters.push((&id, Type::INT8));
        let rows = self.write(tenant, &statement, &parameters).await?;
        rows.first().map(plugin).transpose()
    }

    async fn delete(&self, tenant: &Tenant, id: i64) -> Result<bool, StoreError> {
        let statement = "DELETE FROM plugins WHERE tenant_key = $1 AND id = $2 RETURNING id";
        let parameters: [Parameter<'_>; 2] = [(&key(tenant)?, Type::INT8), (&id, Type::INT8)];
        let rows = self.write(tenant, statement, &parameters).await?;
        Ok(!rows.is_empty())
    }

    async fn profile(&self, tenant: &Tenant, user: &str) -> Result<Option<Profile>, StoreError> {
        let statement =
            "SELECT display_name, email FROM profiles WHERE tenant_key = $1 AND user_id = $2";
        let parameters: [Parameter<'_>; 2] = [(&key(tenant)?, Type::INT8), (&user, Type::TEXT)];
        let rows = self
            .read(tenant, Binding::of(tenant), statement, &parameters)
            .await?;
        let profile = |row: &Row| {
            Ok(Profile {
                display_name: row.try_get(0)?,
                email: row.try_get(1)?,
            })
        };
        rows.first()
            .map(profile)
            .transpose()
            .map_err(StoreError::Database)
    }

    async fn set_profile(
        &self,
        tenant: &Tenant,
        user: &str,
        profile: Profile,
    ) -> Result<(), StoreError> {
        let statement = "INSERT INTO profiles (tenant_key, user_id, display_name, email)
             VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_key, user_id)
             DO UPDATE SET display_name = excluded.display_name, email = excluded.email";
        let parameters: [Parameter<'_>; 4] = [
            (&key(tenant)?, Type::INT8),
            (&user, Type::TEXT),
            (&profile.display_name, Type::TEXT),
            (&profile.email, Type::TEXT),
        ];
        self.write(tenant, statement, &parameters).await?;
        Ok(())
    }

    async fn packages(&self, tenant: &Tenant, page: &Seek) -> Result<Page<Package>, StoreError> {
        let query = page.query("id, name, summary, created_at", "packages");
        let list = query.statement();
        let rows = self
            .read(tenant, Binding::Market, &list.sql, &list.parameters)
            .await?;
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

    fn is_ready(&self) -> bool {
        let replicas = self.replicas.iter();
        replicas.chain([&self.primary]).any(Pool::is_usable)
    }

    async fn close(&self, patience: Duration) -> usize {
        let pools = self.replicas.iter().chain([&self.primary]);
        let left = join_all(pools.map(|pool| pool.drain(patience))).await;
        left.into_iter().sum()
    }
}

/// PostgreSQL has no unsigned numbers: no tenant has a key above the half.
fn key(tenant: &Tenant) -> Result<i64, Rejected> {
    let unknown = |_| Rejected::new("store", Reason::UnknownTenant);
    i64::try_from(tenant.key).map_err(unknown)
}

fn of_draft<'a>(key: &'a i64, draft: &'a Draft) -> [Parameter<'a>; 5] {
    [
        (key, Type::INT8),
        (&draft.team_id, Type::INT8),
        (&draft.name, Type::TEXT),
        (&draft.description, Type::TEXT),
        (&draft.version, Type::TEXT),
    ]
}

fn plugin(row: &Row) -> Result<Plugin, StoreError> {
    let read = || {
        Ok(Plugin {
            id: row.try_get(0)?,
            team_id: row.try_get(1)?,
            name: row.try_get(2)?,
            description: row.try_get(3)?,
            version: row.try_get(4)?,
            created_at: row.try_get(5)?,
            updated_at: row.try_get(6)?,
        })
    };
    read().map_err(StoreError::Database)
}
