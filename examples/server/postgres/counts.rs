//! What statements count of what tenants have, and may have.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Row;
use towerblock_postgres::{Binding, Transaction};
use towerblock_quota::{Claim, PostgresQuotas, Usage};
use towerblock_tenant::Tenant;

use super::{PostgresStore, binding};
use crate::stack::QUERY_TIMEOUT;
use crate::store::StoreError;

/// Nobody waits for it.
const COUNT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a change counts.
#[derive(Clone, Copy)]
pub(super) enum Counts<'a> {
    Nothing,
    /// One more, if there is room.
    More(&'a Claim),
    /// One less, if there was one.
    Less(&'a Claim),
}

impl Counts<'_> {
    /// In the transaction that changed these rows.
    pub(super) async fn count(
        self,
        client: &tokio_postgres::Transaction<'_>,
        rows: &[Row],
    ) -> Result<Option<Usage>, StoreError> {
        Ok(match self {
            Self::More(claim) => Some(PostgresQuotas::consume_in(client, claim).await?),
            Self::Less(claim) if !rows.is_empty() => {
                Some(PostgresQuotas::give_back_in(client, claim).await?)
            }
            Self::Nothing | Self::Less(_) => None,
        })
    }
}

impl PostgresStore {
    /// How much a tenant has.
    pub(super) async fn used(
        &self,
        tenant: &Tenant,
        claims: &[Claim],
    ) -> Result<Vec<Usage>, StoreError> {
        let binding = binding(tenant);
        // On the primary, for a standby may be late. Nothing is written, so it is of no scope.
        let deadline = Instant::now() + QUERY_TIMEOUT;
        let read = self.cluster.write(&binding).before(deadline);
        let work = async |transaction: &Transaction<'_>| {
            let mut usages = Vec::with_capacity(claims.len());
            for claim in claims {
                usages.push(PostgresQuotas::usage_in(transaction.raw(), claim).await?);
            }
            Ok::<_, StoreError>(usages)
        };
        let read = read.transaction("quotas.usage", work);
        self.circuits.write(&tenant.id, read).await
    }

    /// Counts what any tenants have used.
    pub(super) async fn add(&self, claims: &[Claim]) -> Result<Vec<Usage>, StoreError> {
        let ours = Binding::shared();
        let deadline = Instant::now() + COUNT_TIMEOUT;
        let write = self.cluster.write(&ours).before(deadline);
        let work = async |transaction: &Transaction<'_>| {
            Ok::<_, StoreError>(PostgresQuotas::count_in(transaction.raw(), claims).await?)
        };
        write.transaction("quotas.count", work).await
    }
}
