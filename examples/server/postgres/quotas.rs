//! How much tenants have: the tables in which it is counted, and what was there before them.

use std::collections::HashMap;

use tokio_postgres::{Error, GenericClient, Row, Transaction};
use towerblock_core::BoxError;
use towerblock_postgres::SchemaName;
use towerblock_quota::{Claim, Name, PostgresQuotas, Quota};
use towerblock_tenant::{Isolation, Tenant};

use super::setup::{QUOTAS, ROLE, SHARED_TABLES};
use crate::demo;
use crate::limits::PLUGINS;

const ARE_THERE: &str =
    "SELECT to_regclass('towerblock_quotas.towerblock_quota_usage') IS NOT NULL";

pub(super) async fn are_there(client: &impl GenericClient) -> Result<bool, Error> {
    client.query_typed_one(ARE_THERE, &[]).await?.try_get(0)
}

/// Makes the tables, and counts the plugins that there are.
pub(super) async fn count(transaction: &Transaction<'_>) -> Result<(), BoxError> {
    let create = format!("CREATE SCHEMA {QUOTAS}; SET LOCAL search_path = {QUOTAS}");
    transaction.batch_execute(&create).await?;
    PostgresQuotas::create_tables(transaction).await?;
    // Every statement names its tenant, and no client's text is any part of one.
    let grant = format!(
        "GRANT USAGE ON SCHEMA {QUOTAS} TO {ROLE};
         GRANT SELECT, INSERT, UPDATE ON {QUOTAS}.towerblock_quota_usage TO {ROLE};"
    );
    transaction.batch_execute(&grant).await?;
    let is_own = |tenant: &Tenant| tenant.placement.isolation == Isolation::Schema;
    let (own, sharing): (Vec<_>, Vec<_>) = demo::tenants().partition(is_own);
    let mut counts = shared_plugins(transaction).await?;
    for tenant in &own {
        let schema = SchemaName::from_key(tenant.key).to_string();
        // A transaction that is bound to a schema finds nothing anywhere else.
        let view = format!(
            "CREATE VIEW {schema}.towerblock_quota_usage AS
             TABLE {QUOTAS}.towerblock_quota_usage"
        );
        transaction.batch_execute(&view).await?;
        counts.extend(plugins(transaction, &schema).await?);
    }
    let resource = Name::new(PLUGINS)?;
    let claims = own.iter().chain(&sharing).filter_map(|tenant| {
        let count = *counts.get(&tenant.key)?;
        let claim = Claim::new(&tenant.id, &resource, Quota::stock(u64::MAX));
        Some(claim.units(count))
    });
    let claims: Vec<_> = claims.collect();
    PostgresQuotas::count_in(transaction, &claims).await?;
    Ok(())
}

/// Those of all who share the tables, which only their owner may see, and only as long as that.
async fn shared_plugins(transaction: &Transaction<'_>) -> Result<HashMap<u64, u64>, BoxError> {
    let forced = |how| format!("ALTER TABLE {SHARED_TABLES}.plugins {how} ROW LEVEL SECURITY");
    transaction.batch_execute(&forced("NO FORCE")).await?;
    let counts = plugins(transaction, SHARED_TABLES).await?;
    transaction.batch_execute(&forced("FORCE")).await?;
    Ok(counts)
}

/// How many there are in a schema, by the tenant's key.
async fn plugins(
    transaction: &Transaction<'_>,
    schema: &str,
) -> Result<HashMap<u64, u64>, BoxError> {
    let count = format!("SELECT tenant_key, count(*) FROM {schema}.plugins GROUP BY 1");
    let rows = transaction.query_typed(&count, &[]).await?;
    let pair = |row: &Row| {
        let (key, count): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok((u64::try_from(key)?, u64::try_from(count)?))
    };
    rows.iter().map(pair).collect()
}
