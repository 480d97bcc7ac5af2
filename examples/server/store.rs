//! Where the data lives, as the handlers see it.

use std::error::Error;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::error::SqlState;
use towerblock_breaker::{Fault as _, Verdict};
use towerblock_cache::OutboxError;
use towerblock_core::{BoxError, Reason, Rejected, Stats};
use towerblock_page::{Column, Keyset, Page, PageError, Seek, Type, Unique};
use towerblock_postgres::{Scope, Statistics, Transaction};
use towerblock_quota::{Claim, QuotaError, Usage};
use towerblock_tenant::Tenant;

/// The data of all tenants. Every call says whose data it means, and what it is a part of.
#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// A page of the newest plugins, or of those of one team.
    async fn plugins(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        team: Option<i64>,
        page: &Seek,
    ) -> Result<Page<Plugin>, StoreError>;

    async fn plugin(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        id: i64,
    ) -> Result<Option<Plugin>, StoreError>;

    /// Counts it as well, or refuses it for want of room.
    async fn create(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        counted: &Claim,
        draft: Draft,
    ) -> Result<Plugin, StoreError>;

    /// `None` when there is no such plugin.
    async fn replace(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        id: i64,
        draft: Draft,
    ) -> Result<Option<Plugin>, StoreError>;

    /// Whether there was such a plugin, which counts no longer.
    async fn delete(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        counted: &Claim,
        id: i64,
    ) -> Result<bool, StoreError>;

    async fn profile(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        user: &str,
    ) -> Result<Option<Profile>, StoreError>;

    async fn set_profile(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        user: &str,
        profile: Profile,
    ) -> Result<(), StoreError>;

    /// A page of the newest packages, which all tenants share, for this one.
    async fn packages(
        &self,
        tenant: &Tenant,
        scope: &Scope,
        page: &Seek,
    ) -> Result<Page<Package>, StoreError>;

    /// What was counted of these, which are the tenant's.
    async fn usage(&self, tenant: &Tenant, claims: &[Claim]) -> Result<Vec<Usage>, StoreError>;

    /// Counts what was used already, by any tenants.
    async fn count(&self, claims: &[Claim]) -> Result<Vec<Usage>, StoreError>;

    /// Whether the data is there and answers.
    fn is_ready(&self) -> bool;

    /// The numbers of its connections, where it has any.
    fn stats(&self) -> Option<Arc<dyn Stats>>;

    /// What is known of its queries, where it makes any.
    fn queries(&self) -> Option<&Statistics>;

    /// Closes its connections, once those in use come back, or `patience` ends. Returns how
    /// many are still in use.
    async fn close(&self, patience: Duration) -> usize;
}

/// The order of the lists, newest first; the id decides between equal times.
pub(crate) static NEWEST: LazyLock<Keyset> = LazyLock::new(|| {
    let created_at = Column::desc("created_at", Type::TIMESTAMPTZ);
    Keyset::new("newest/1", [created_at], Unique::desc("id", Type::INT8))
});

/// A row's key in that order.
pub(crate) type Position = (Timestamp, i64);

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Plugin {
    pub(crate) id: i64,
    pub(crate) team_id: i64,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) version: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A plugin as a client sends it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default = "first_version")]
    pub(crate) version: String,
    #[serde(default = "first_team")]
    pub(crate) team_id: i64,
}

fn first_version() -> String {
    "0.1.0".to_owned()
}

const fn first_team() -> i64 {
    1
}

/// What a user says of themselves; empty until they do.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) display_name: String,
    pub(crate) email: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Package {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) created_at: Timestamp,
}

/// A store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    Database(towerblock_postgres::Error),
    #[error("cannot read a row")]
    Row(#[from] tokio_postgres::Error),
    #[error("no page")]
    Page(#[from] PageError),
    #[error("a statement returned no row")]
    NoRow,
    #[error("refused")]
    Refused(#[from] Rejected),
    #[error("the write was ended")]
    Ended,
    #[error(transparent)]
    Outbox(OutboxError),
    /// The database did not answer in time, or could not, or others were in the way.
    #[error("not done: {error}")]
    Undone {
        error: BoxError,
        #[source]
        rejected: Rejected,
    },
    #[error("not counted")]
    Quota(#[source] QuotaError),
    #[error("cannot write an answer")]
    Answer(#[from] serde_json::Error),
}

impl StoreError {
    /// Nobody has done it yet, which is no error of ours.
    const fn not_set_up() -> Self {
        Self::Refused(Rejected::new("store", Reason::Unavailable))
    }

    /// Of what was asked by the raw transaction.
    fn of_raw<E: Error + Send + Sync + 'static>(error: E, other: fn(E) -> Self) -> Self {
        match of_driver(&error) {
            Some(driver) if driver.code() == Some(&SqlState::UNDEFINED_TABLE) => Self::not_set_up(),
            Some(driver) if will_pass(driver) => Self::Undone {
                error: error.into(),
                rejected: Rejected::new("store", Reason::Unavailable),
            },
            _ => other(error),
        }
    }

    /// Tells the transaction that it failed by this, if the driver said so.
    pub(crate) fn tell(&self, transaction: &Transaction<'_>) {
        let driver = match self {
            Self::Undone { error, .. } => of_driver(&**error),
            other => of_driver(other),
        };
        driver.inspect(|error| transaction.mark_failed(error));
    }

    /// Whether certainly nothing was done.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Database(error) => error
                .rejected()
                // Tried more than once, the first may have been done.
                .is_some_and(|rejected| rejected.reason() != Reason::Unavailable),
            _ => false,
        }
    }
}

impl From<towerblock_postgres::Error> for StoreError {
    fn from(error: towerblock_postgres::Error) -> Self {
        if error.code() == Some(&SqlState::UNDEFINED_TABLE) {
            return Self::not_set_up();
        }
        Self::Database(error)
    }
}

impl From<QuotaError> for StoreError {
    fn from(error: QuotaError) -> Self {
        if let Some(rejected) = error.rejected() {
            return Self::Refused(*rejected);
        }
        Self::of_raw(error, Self::Quota)
    }
}

impl From<OutboxError> for StoreError {
    fn from(error: OutboxError) -> Self {
        Self::of_raw(error, Self::Outbox)
    }
}

/// Whether it may go right another time: the server failed, or others were in the way.
fn will_pass(driver: &tokio_postgres::Error) -> bool {
    let conflict = |code: &SqlState| code.code().starts_with("40") || code.code() == "55P03";
    driver.verdict() == Verdict::Failure || driver.code().is_some_and(conflict)
}

/// What the driver said, if it did.
pub(crate) fn of_driver<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e tokio_postgres::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}
