use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use crate::Finding;

/// The roles that run queries: the one that connected, and the one that tenants get.
pub(crate) async fn examine(
    client: &Client,
    tenant: Option<&str>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<String>, Error> {
    let rows = client
        .query_typed(
            "select wanted, r.rolsuper, r.rolbypassrls
             from (select session_user::text union select $1 where $1 is not null) w (wanted)
             left join pg_roles r on r.rolname = wanted
             order by wanted",
            &[(&tenant, Type::TEXT)],
        )
        .await?;
    let mut roles = Vec::new();
    for row in rows {
        let role: String = row.try_get(0)?;
        let (superuser, bypasses): (Option<bool>, Option<bool>) =
            (row.try_get(1)?, row.try_get(2)?);
        roles.push(role.clone());
        match (superuser, bypasses) {
            (None, _) => findings.push(Finding::RoleMissing { role }),
            (Some(true), _) => findings.push(Finding::Superuser { role }),
            (_, Some(true)) => findings.push(Finding::BypassesRowLevel { role }),
            _ => {}
        }
    }
    Ok(roles)
}
