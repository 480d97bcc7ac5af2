use std::collections::BTreeSet;

use tokio_postgres::{Client, Error};

/// Transactions that are compared.
const ASKED: usize = 4;

/// Whether transactions of one client run on different connections to the server. A pooler
/// that is not busy gives the client the same one each time and stays unseen.
pub(crate) async fn changes_backends(client: &Client) -> Result<bool, Error> {
    Ok(backends(client).await?.len() > 1)
}

/// Whether a pooler in transaction mode lies between the server and these two clients, which
/// connected to the same address: they then meet on one connection, or one changes its own.
///
/// Neither may be in a transaction. No pooler is taken for one in session mode.
///
/// # Errors
///
/// When the server cannot be asked.
pub async fn shares_backends(one: &Client, other: &Client) -> Result<bool, Error> {
    // Not in turns: a pooler that serves its connections in turns would give each its own.
    let (ones, others) = (backends(one).await?, backends(other).await?);
    Ok(ones.len() > 1 || others.len() > 1 || !ones.is_disjoint(&others))
}

async fn backends(client: &Client) -> Result<BTreeSet<i32>, Error> {
    let mut backends = BTreeSet::new();
    for _ in 0..ASKED {
        let row = client
            .query_typed_one("select pg_backend_pid()", &[])
            .await?;
        backends.insert(row.try_get(0)?);
    }
    Ok(backends)
}
