use tokio_postgres::{Client, Error};

use crate::{Finding, Fleet};

/// The connections that the fleet counts on against those that the server has for it.
pub(crate) async fn examine(client: &Client, fleet: Fleet) -> Result<Option<Finding>, Error> {
    // `reserved_connections` came with version 16.
    let row = client
        .query_typed_one(
            "select current_setting('max_connections')::int
                    - current_setting('superuser_reserved_connections')::int
                    - coalesce(current_setting('reserved_connections', true)::int, 0)",
            &[],
        )
        .await?;
    let allowed = usize::try_from(row.try_get::<_, i32>(0)?).unwrap_or(0);
    let counted = fleet.most();
    Ok((counted > allowed).then_some(Finding::TooFewConnections { counted, allowed }))
}
