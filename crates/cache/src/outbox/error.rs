/// An invalidation cannot be written down, or nobody can be told of what is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The table's name is not `schema.table`, both `[a-z_][a-z0-9_]*` and at most 48 bytes long.
    #[error("outbox {0:?}: not of the form schema.table, each [a-z_][a-z0-9_]{{0,47}}")]
    Name(String),
    /// The hub has a relay, or had one.
    #[error("this hub has its outbox already: {0}")]
    Taken(String),
    /// The hub has no outbox to write to.
    #[error("this hub has no outbox: start its relay first")]
    Missing,
    /// The database refused. A transaction in which that happened can only be rolled back.
    #[error("the outbox cannot be written to")]
    Postgres(#[from] tokio_postgres::Error),
}
