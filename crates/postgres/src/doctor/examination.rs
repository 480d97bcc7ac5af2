use crate::Fleet;

/// What [`examine`](crate::examine) is to look at.
#[derive(Clone, Debug, Default)]
pub struct Examination {
    /// Schema, and the table if it is not all of them.
    pub(crate) tables: Vec<(String, Option<String>)>,
    pub(crate) role: Option<String>,
    pub(crate) fleet: Option<Fleet>,
}

impl Examination {
    /// All tables of this schema are shared by tenants, under row-level security. May be
    /// called again. Default: none are.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.tables.push((schema.into(), None));
        self
    }

    /// This table is shared by tenants, under row-level security. May be called again.
    /// Default: none is.
    #[must_use]
    pub fn table(mut self, schema: impl Into<String>, table: impl Into<String>) -> Self {
        self.tables.push((schema.into(), Some(table.into())));
        self
    }

    /// The role that is taken on for a tenant's queries. Default: the one that connects,
    /// which is examined in any case.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// Those who share the server. Default: its connections are not counted.
    #[must_use]
    pub const fn fleet(mut self, fleet: Fleet) -> Self {
        self.fleet = Some(fleet);
        self
    }
}
