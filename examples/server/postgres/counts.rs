//! What statements count of what tenants have, and may have.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Row;
use towerblock_core::{Rejected, TenantId};
use towerblock_fair::{FairSemaphore, Share, Slot};
use towerblock_postgres::{Binding, Transaction};
use towerblock_quota::{Claim, PostgresQuotas, Usage};
use towerblock_tenant::Tenant;

use super::{PostgresStore, binding};
use crate::stack::QUERY_TIMEOUT;
use crate::store::StoreError;

/// Nobody waits for it.
const COUNT_TIMEOUT: Duration = Duration::from_secs(5);

/// So many changes of one tenant's counts are under way at once. One has the lock, and the others
/// do what comes before.
const AT_ONCE: usize = 4;
/// The rest is for the change itself.
const TURN_TIMEOUT: Duration = Duration::from_millis(1_500);

/// For so many connections.
pub(super) fn turns(connections: NonZeroUsize) -> FairSemaphore {
    FairSemaphore::new(connections)
        .named("quotas")
        .share_of(|_| Share::default().at_most(AT_ONCE))
}

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
    /// Its turn to change what is counted, if it does.
    pub(super) async fn turn(
        &self,
        tenant: &TenantId,
        counts: Counts<'_>,
    ) -> Result<Option<Slot>, Rejected> {
        if matches!(counts, Counts::Nothing) {
            return Ok(None);
        }
        let deadline = Instant::now() + TURN_TIMEOUT;
        let slot = self.counting.acquire_before(tenant, deadline).await?;
        Ok(Some(slot))
    }

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
                let usage = PostgresQuotas::usage_in(transaction.raw(), claim).await;
                let usage = usage.map_err(StoreError::from);
                usages.push(usage.inspect_err(|error| error.tell(transaction))?);
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
            let usages = PostgresQuotas::count_in(transaction.raw(), claims).await;
            let usages = usages.map_err(StoreError::from);
            usages.inspect_err(|error| error.tell(transaction))
        };
        write.transaction("quotas.count", work).await
    }
}
