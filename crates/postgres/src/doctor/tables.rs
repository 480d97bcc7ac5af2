use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use crate::Finding;
use crate::doctor::policy::reads_per_row;

/// One table, or all of a schema.
pub(crate) async fn examine(
    client: &Client,
    (schema, table): (&str, Option<&str>),
    roles: &[String],
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    // Superusers are found as such, and have the rights of every owner.
    let rows = client
        .query_typed(
            "select c.oid, c.relname::text, c.relrowsecurity, c.relforcerowsecurity,
                    pg_get_userbyid(c.relowner)::text,
                    array(select r.rolname::text from pg_roles r
                          where r.rolname = any ($3) and not r.rolsuper
                            and pg_has_role(r.oid, c.relowner, 'USAGE') order by 1)
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where c.relkind in ('r', 'p') and n.nspname = $1
               and ($2 is null or c.relname = $2)
             order by c.relname",
            &[
                (&schema, Type::TEXT),
                (&table, Type::TEXT),
                (&roles, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    if rows.is_empty() {
        let table = format!("{schema}.{}", table.unwrap_or("*"));
        findings.push(Finding::TableMissing { table });
    }
    for row in rows {
        let table = format!("{schema}.{}", row.try_get::<_, &str>(1)?);
        row_level(&row, &table, findings)?;
        policies(client, row.try_get(0)?, &table, findings).await?;
    }
    Ok(())
}

fn row_level(row: &Row, table: &str, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let (enabled, forced): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
    let table = table.to_owned();
    if !enabled {
        findings.push(Finding::RowLevelMissing { table });
        return Ok(());
    }
    for role in row.try_get::<_, Vec<String>>(5)? {
        let table = table.clone();
        findings.push(Finding::OwnsTable {
            role,
            table,
            forced,
        });
    }
    if !forced {
        let owner = row.try_get(4)?;
        findings.push(Finding::RowLevelNotForced { table, owner });
    }
    Ok(())
}

async fn policies(
    client: &Client,
    table: u32,
    name: &str,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let rows = client
        .query_typed(
            "select polname::text, pg_get_expr(polqual, polrelid) from pg_policy
             where polrelid = $1 and polqual is not null order by polname",
            &[(&table, Type::OID)],
        )
        .await?;
    for row in rows {
        if reads_per_row(row.try_get(1)?) {
            findings.push(Finding::PolicyReadsPerRow {
                table: name.to_owned(),
                policy: row.try_get(0)?,
            });
        }
    }
    Ok(())
}
