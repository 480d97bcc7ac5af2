/// Something about a server that is wrong, or will be. Its text is one line for the log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// A schema or table that was to be examined is not there.
    #[error("there is no table {table}")]
    TableMissing {
        /// With its schema; `schema.*` when the schema has none.
        table: String,
    },
    /// A table that tenants share has no row-level security.
    #[error("row-level security is not enabled on {table}: every tenant sees all its rows")]
    RowLevelMissing {
        /// With its schema.
        table: String,
    },
    /// The owner of a table is not bound by its policies.
    #[error("row-level security is not forced on {table}: its owner {owner} sees all its rows")]
    RowLevelNotForced {
        /// With its schema.
        table: String,
        /// The role that owns it.
        owner: String,
    },
    /// A role that was to be examined is not there.
    #[error("there is no role {role}")]
    RoleMissing {
        /// The role.
        role: String,
    },
    /// A role is bound by no policy, being a superuser.
    #[error("the role {role} is a superuser: no policy binds it")]
    Superuser {
        /// The role.
        role: String,
    },
    /// A role is bound by no policy, having `BYPASSRLS`.
    #[error("the role {role} has BYPASSRLS: no policy binds it")]
    BypassesRowLevel {
        /// The role.
        role: String,
    },
    /// A role has the rights of a table's owner.
    #[error(
        "the role {role} has the rights of the owner of {table}: {}",
        if *forced { "it can lift its policies" } else { "its policies do not bind it" }
    )]
    OwnsTable {
        /// The role.
        role: String,
        /// With its schema.
        table: String,
        /// Whether the policies bind the owner too.
        forced: bool,
    },
    /// A policy asks for the tenant once for each row.
    #[error(
        "the policy {policy} on {table} calls current_setting for each row: \
         write (select current_setting(…)), which is called once"
    )]
    PolicyReadsPerRow {
        /// With its schema.
        table: String,
        /// The policy.
        policy: String,
    },
    /// Transactions of one client run on different connections to the server.
    #[error("a pooler in transaction mode: nothing said outside a transaction can be relied on")]
    PooledTransactions,
    /// The fleet may open more connections than the server has for it.
    #[error("the fleet may open {counted} connections, and the server has {allowed} for it")]
    TooFewConnections {
        /// What all instances together may open.
        counted: usize,
        /// `max_connections` without those that the server keeps for superusers and others.
        allowed: usize,
    },
    /// A statement reads all of a large table.
    #[error("a sequential scan reads all of {table}, about {rows} rows")]
    SequentialScan {
        /// With its schema.
        table: String,
        /// An estimate.
        rows: u64,
    },
}

impl Finding {
    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::TableMissing { .. }
            | Self::RowLevelMissing { .. }
            | Self::RoleMissing { .. }
            | Self::Superuser { .. }
            | Self::BypassesRowLevel { .. }
            | Self::OwnsTable { forced: false, .. }
            | Self::TooFewConnections { .. } => Severity::Danger,
            Self::RowLevelNotForced { .. } | Self::OwnsTable { .. } | Self::PooledTransactions => {
                Severity::Warning
            }
            Self::PolicyReadsPerRow { .. } | Self::SequentialScan { .. } => Severity::Hint,
        }
    }
}

/// How bad a [`Finding`] is; what is worse is greater.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Severity {
    /// It costs time.
    Hint,
    /// It is safe as long as nobody errs elsewhere.
    Warning,
    /// A tenant may see another's rows, or be refused a connection.
    Danger,
}
