use std::fmt;
use std::ops::Deref;

use tokio_postgres::{Client, Error, GenericClient};
use towerblock_core::BoxError;

use crate::file::plan_from_toml;
use crate::{Plan, PlanSource};

const TABLE: &str = "
SELECT pg_advisory_xact_lock(8390891459735478385);
CREATE TABLE IF NOT EXISTS towerblock_quota_plans (
    name text PRIMARY KEY,
    terms text NOT NULL
)";

/// Plans in a table of a PostgreSQL database, `towerblock_quota_plans`, found through the connection's search
/// path: in `terms` stands what a file of [`plans_from_toml`](crate::plans_from_toml) has under the plan's name.
///
/// It is given a closure that yields a client, or whatever derefs to one, for each time it is asked. A
/// statement or a connection that hangs is the closure's to bound.
///
/// ```no_run
/// use tokio_postgres::Client;
/// use towerblock_core::BoxError;
/// use towerblock_quota::{Plans, PostgresPlans};
///
/// # async fn connect() -> Result<Box<Client>, BoxError> { Err("nowhere".into()) }
/// # async fn insert() -> Result<(), BoxError> {
/// let client = connect().await?;
/// PostgresPlans::create_table(&*client).await?;
/// PostgresPlans::put(&*client, "free", r#"rates = [{ name = "requests", limit = 100 }]"#).await?;
///
/// let (plans, table) = (Plans::default(), PostgresPlans::new(connect));
/// // And again from time to time: what a tenant has used stays used.
/// plans.reload(&table).await?;
/// assert!(plans.get("free").is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresPlans<F> {
    client: F,
}

impl<F> PostgresPlans<F> {
    /// Reads through the clients that `client` yields.
    #[must_use]
    pub const fn new(client: F) -> Self {
        Self { client }
    }
}

impl PostgresPlans<()> {
    /// Makes the table, unless it is there.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn create_table(client: &impl GenericClient) -> Result<(), Error> {
        client.batch_execute(TABLE).await
    }

    /// Puts a plan there, or other terms in the place of its own; instances learn of them when they ask.
    ///
    /// Cancel safety: dropped, it may have been done.
    ///
    /// # Errors
    ///
    /// [`InvalidPlans`](crate::InvalidPlans) where the terms are none, with nothing changed; or those of the database.
    pub async fn put(client: &impl GenericClient, name: &str, terms: &str) -> Result<(), BoxError> {
        plan_from_toml(name, terms)?;
        let put = "INSERT INTO towerblock_quota_plans (name, terms) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET terms = excluded.terms";
        client.execute(put, &[&name, &terms]).await?;
        Ok(())
    }
}

impl<F, A, C> PlanSource for PostgresPlans<F>
where
    F: Fn() -> A + Send + Sync,
    A: Future<Output = Result<C, BoxError>> + Send,
    C: Deref<Target = Client> + Send + Sync,
{
    /// All that are there; where the terms of one are none, an error that names it.
    async fn plans(&self) -> Result<Vec<Plan>, BoxError> {
        let client = (self.client)().await?;
        let all = "SELECT name, terms FROM towerblock_quota_plans ORDER BY name";
        let rows = client.query(all, &[]).await?;
        let plan = |row: &tokio_postgres::Row| {
            let (name, terms): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
            Ok::<_, BoxError>(plan_from_toml(name, terms)?)
        };
        rows.iter().map(plan).collect()
    }
}

impl<F> fmt::Debug for PostgresPlans<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresPlans").finish_non_exhaustive()
    }
}
