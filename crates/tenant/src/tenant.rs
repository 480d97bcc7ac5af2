use std::collections::BTreeMap;
use std::sync::Arc;

use towerblock_core::TenantId;

/// What is known of a tenant.
///
/// ```
/// use towerblock_core::TenantId;
/// use towerblock_tenant::{Isolation, Tenant, TenantState};
///
/// let mut acme = Tenant::new(TenantId::new("acme")?, 1, Isolation::Schema);
/// acme.plan = "enterprise".into();
/// assert_eq!(acme.state, TenantState::Active);
/// # Ok::<_, towerblock_core::InvalidTenantId>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Tenant {
    /// The name, as it stands in URLs and logs.
    pub id: TenantId,
    /// The number, as it stands in the database; it never changes.
    pub key: u64,
    /// What the tenant may do now. Default: [`Active`](TenantState::Active).
    pub state: TenantState,
    /// The name of the plan that was sold. Default: empty.
    pub plan: Arc<str>,
    /// Where the tenant's rows are.
    pub placement: Placement,
    /// Where in the world the tenant's data is at home. Default: empty.
    pub region: Arc<str>,
    /// How often the record was changed. Default: 0.
    pub epoch: u64,
    /// Whatever else the application keeps with a tenant. Default: none.
    pub attributes: BTreeMap<Arc<str>, Arc<str>>,
}

impl Tenant {
    /// An active tenant with this name, number and isolation, on shard 0; all else is
    /// empty.
    #[must_use]
    pub fn new(id: TenantId, key: u64, isolation: Isolation) -> Self {
        Self {
            id,
            key,
            state: TenantState::Active,
            plan: Arc::default(),
            placement: Placement {
                shard: 0,
                isolation,
            },
            region: Arc::default(),
            epoch: 0,
            attributes: BTreeMap::new(),
        }
    }
}

/// What a tenant may do now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum TenantState {
    /// Everything.
    #[default]
    Active,
    /// Reads only: methods that are not safe (RFC 9110, 9.2.1) are answered with 403.
    ReadOnly,
    /// Nothing for a moment, while its rows are on their way elsewhere: 503.
    Moving,
    /// Nothing, until somebody decides otherwise: 403.
    Suspended,
    /// It is gone: 404, as if it had never been.
    Deleted,
}

/// Where a tenant's rows are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Placement {
    /// The number of the database cluster.
    pub shard: u16,
    /// How the rows are kept apart from those of others.
    pub isolation: Isolation,
}

/// How a tenant's rows are kept apart from those of others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Isolation {
    /// In tables shared with others, under row-level security.
    RowLevel,
    /// In a schema of its own.
    Schema,
}
