use towerblock_core::TenantId;

/// What is known of a tenant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tenant {
    /// The name, as it stands in URLs and logs.
    pub id: TenantId,
    /// The number, as it stands in the database; it never changes.
    pub key: u64,
    /// How the tenant's rows are kept apart from those of others.
    pub isolation: Isolation,
}

impl Tenant {
    /// A tenant with this name, number and isolation.
    #[must_use]
    pub const fn new(id: TenantId, key: u64, isolation: Isolation) -> Self {
        Self { id, key, isolation }
    }
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
