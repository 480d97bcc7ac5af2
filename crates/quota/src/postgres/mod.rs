mod batch;
mod counted;
#[cfg(feature = "toml")]
mod plans;
mod statements;
mod values;

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use tokio_postgres::{Client, Error, GenericClient};
use towerblock_core::BoxError;

#[cfg(feature = "toml")]
pub use self::plans::PostgresPlans;
use crate::claim::{Claim, Usage};
use crate::crossing::{Bell, Crossings};
use crate::error::{Cause, QuotaError};

/// Quotas counted in two tables of a PostgreSQL database, `towerblock_quota_usage` and `towerblock_quota_keys`,
/// found through the connection's search path.
///
/// Each call is one statement: it is done or not, also when its future is dropped, and in which of the two ways is
/// known to who asks again with the same key. What is
/// counted together with rows of yours is counted [in their transaction](PostgresQuotas::consume_in).
///
/// It is given a closure that yields a client, or whatever derefs to one, for each call. A statement or a
/// connection that hangs is the closure's to bound.
///
/// ```no_run
/// use tokio_postgres::Client;
/// use towerblock_core::{BoxError, TenantId};
/// use towerblock_quota::{Claim, Name, PostgresQuotas, Quota};
///
/// # async fn connect() -> Result<Box<Client>, BoxError> { Err("nowhere".into()) }
/// # async fn insert() -> Result<(), BoxError> {
/// let mut client = connect().await?;
/// PostgresQuotas::create_tables(&*client).await?;
///
/// let plugin = Claim::new(&TenantId::new("acme")?, &Name::new("plugins")?, Quota::stock(100));
/// let tx = client.transaction().await?;
/// let usage = PostgresQuotas::consume_in(&tx, &plugin).await?;
/// tx.execute("INSERT INTO plugins DEFAULT VALUES", &[]).await?;
/// tx.commit().await?;
/// // Only now: what is rolled back has crossed nothing.
/// let quotas = PostgresQuotas::new(connect);
/// quotas.tell(&usage);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresQuotas<F> {
    client: F,
    bell: Bell,
}

impl<F> PostgresQuotas<F> {
    /// Counts through the clients that `client` yields. Clones share who listens.
    #[must_use]
    pub fn new(client: F) -> Self {
        let bell = Bell::default();
        Self { client, bell }
    }

    /// Tells what is crossed from now on through this store and its clones. Other instances tell
    /// what is crossed through them: each crossing is told in one place.
    pub fn crossings(&self) -> Crossings {
        self.bell.listen()
    }

    /// Tells those who listen what was crossed in a transaction that is now committed.
    pub fn tell(&self, usage: &Usage) {
        self.bell.tell(usage);
    }
}

impl PostgresQuotas<()> {
    /// Makes the tables, unless they are there.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn create_tables(client: &impl GenericClient) -> Result<(), Error> {
        client.batch_execute(statements::TABLES).await
    }

    /// Counts in the transaction of the caller: what was counted is what is committed. It holds the lock of
    /// the count until the transaction ends, so it belongs late in it, and several in one order.
    ///
    /// Cancel safety: dropped, it may have been done; roll back.
    ///
    /// # Errors
    ///
    /// There is no room, which leaves the transaction as it was, or the database failed.
    pub async fn consume_in(
        client: &impl GenericClient,
        claim: &Claim,
    ) -> Result<Usage, QuotaError> {
        counted::consume(client, claim, None).await
    }

    /// Takes off what is no longer there, in the transaction that deletes it.
    ///
    /// Cancel safety: dropped, it may have been done; roll back.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn give_back_in(
        client: &impl GenericClient,
        claim: &Claim,
    ) -> Result<Usage, QuotaError> {
        counted::give_back(client, claim).await
    }

    /// What is used, as the transaction of the caller sees it.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn usage_in(client: &impl GenericClient, claim: &Claim) -> Result<Usage, QuotaError> {
        counted::usage(client, claim).await
    }

    /// Counts what was done already, of any number of tenants, in one statement: whether there is
    /// room or not. For calls that are added up for a moment, each of which would be a write, and for
    /// rows that nobody counted yet. What each came to, in the order of the claims; a claim of no units
    /// counts nothing, and tells.
    ///
    /// It locks the counts until the transaction ends; several at a time take turns.
    ///
    /// Cancel safety: dropped, it may have been done; roll back.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn count_in(
        client: &impl GenericClient,
        claims: &[Claim],
    ) -> Result<Vec<Usage>, QuotaError> {
        batch::count(client, claims).await
    }
}

impl<F, A, C> PostgresQuotas<F>
where
    F: Fn() -> A + Send + Sync,
    A: Future<Output = Result<C, BoxError>> + Send,
    C: Deref<Target = Client> + Send + Sync,
{
    /// Counts, if there is room.
    ///
    /// # Errors
    ///
    /// There is none, or the store failed; then it may have been counted.
    pub async fn consume(&self, claim: &Claim) -> Result<Usage, QuotaError> {
        let client = self.client().await?;
        self.told(counted::consume(&*client, claim, None).await)
    }

    /// Counts, once for a key of the tenant's in a day.
    ///
    /// # Errors
    ///
    /// There is no room, the key was used for something else, or the store failed; ask again.
    pub async fn consume_once(&self, claim: &Claim, key: &str) -> Result<Usage, QuotaError> {
        let client = self.client().await?;
        self.told(counted::consume(&*client, claim, Some(key)).await)
    }

    /// Holds room for work that is yet to be done: once for a key of the tenant's, and for so long.
    ///
    /// # Errors
    ///
    /// As those of [`consume_once`](Self::consume_once).
    pub async fn reserve(
        &self,
        claim: &Claim,
        key: &str,
        hold: Duration,
    ) -> Result<Usage, QuotaError> {
        counted::reserve(&*self.client().await?, claim, key, hold).await
    }

    /// Counts what the work came to, more or less than was reserved. It was done, so that it is counted even if the
    /// reservation has expired; once for a key.
    ///
    /// # Errors
    ///
    /// Nothing was reserved by that key, or it was released; or the store failed; ask again.
    pub async fn commit(&self, claim: &Claim, key: &str, actual: u64) -> Result<Usage, QuotaError> {
        let client = self.client().await?;
        self.told(counted::commit(&*client, claim, key, actual).await)
    }

    /// Gives up what was reserved by that key, and says whether it was still held.
    ///
    /// # Errors
    ///
    /// The store failed; it expires then.
    pub async fn release(&self, claim: &Claim, key: &str) -> Result<bool, QuotaError> {
        counted::release(&*self.client().await?, claim, key).await
    }

    /// Takes off what is no longer there.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn give_back(&self, claim: &Claim) -> Result<Usage, QuotaError> {
        counted::give_back(&*self.client().await?, claim).await
    }

    /// Replaces what was counted by what is there.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn correct(&self, claim: &Claim, used: u64) -> Result<Usage, QuotaError> {
        counted::correct(&*self.client().await?, claim, used).await
    }

    /// What is used by now.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn usage(&self, claim: &Claim) -> Result<Usage, QuotaError> {
        counted::usage(&*self.client().await?, claim).await
    }

    /// Gives back what expired, and forgets keys a day after they were settled, so many of both at most; says how many
    /// expired. Call it as often as reservations last, in any number of instances.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn sweep(&self, most: u32) -> Result<u64, QuotaError> {
        counted::sweep(&*self.client().await?, most).await
    }

    async fn client(&self) -> Result<C, QuotaError> {
        let client = (self.client)().await;
        Ok(client.map_err(Cause::Store)?)
    }

    fn told(&self, result: Result<Usage, QuotaError>) -> Result<Usage, QuotaError> {
        if let Ok(usage) = &result {
            self.bell.tell(usage);
        }
        result
    }
}

impl<F> fmt::Debug for PostgresQuotas<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresQuotas").finish_non_exhaustive()
    }
}
