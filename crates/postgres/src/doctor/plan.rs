use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, SimpleQueryMessage, Statement};

use crate::Finding;

/// Tables with fewer rows are read fastest from start to end.
const FEW: i64 = 1_000;

/// The tables of 1,000 rows or more that a statement reads from start to end, by the plan
/// that the server makes for parameters it does not know, as the client's present role.
/// `types` are those of the parameters; what is left out the server infers.
///
/// The statement is planned and never run, in a transaction that can only read. How many
/// rows a table has is estimated as by the planner, from its last analysis and its size. A
/// scan that ends early, for a `LIMIT`, is found too. The client must not be in a transaction.
///
/// # Errors
///
/// When the server cannot be asked or refuses the statement, which must be a single one, and
/// one that can be planned: `SELECT`, `INSERT`, `UPDATE`, `DELETE`, `MERGE` or `VALUES`.
pub async fn sequential_scans(
    client: &Client,
    statement: &str,
    types: &[Type],
) -> Result<Vec<Finding>, Error> {
    // This alone refuses two statements in one text, of which the second would be run.
    let prepared = client.prepare_typed(statement, types).await?;
    let plan = match client.simple_query(&explaining(statement, &prepared)).await {
        Ok(messages) => plan(&messages),
        Err(error) => {
            // Fails when the statement was not even prepared.
            let _already_gone = client.batch_execute("deallocate towerblock_doctor").await;
            return Err(error);
        }
    };
    large(client, &plan).await
}

/// One message, which is one transaction: it is over when the answer comes, whatever that
/// is and whether or not anybody waits for it.
///
/// This is what `EXPLAIN (GENERIC_PLAN)` does, on servers before version 16 too, and for
/// parameters of given types.
fn explaining(statement: &str, prepared: &Statement) -> String {
    let types: Vec<_> = prepared
        .params()
        .iter()
        .map(|of| format!("{}.{}", quoted(of.schema()), quoted(of.name())))
        .collect();
    let (mut types, mut nulls) = (types.join(", "), vec!["null"; types.len()].join(", "));
    if !types.is_empty() {
        types = format!("({types})");
        nulls = format!("({nulls})");
    }
    // The line ends: a comment may end the statement.
    format!(
        "set local transaction_read_only = on;
         set local plan_cache_mode = force_generic_plan;
         prepare towerblock_doctor {types} as {statement}
         ;
         explain (verbose, format json) execute towerblock_doctor {nulls};
         deallocate towerblock_doctor"
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn plan(messages: &[SimpleQueryMessage]) -> String {
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten(),
        _ => None,
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// The server reads the plan that it wrote.
async fn large(client: &Client, plan: &str) -> Result<Vec<Finding>, Error> {
    let rows = client
        .query_typed(
            "select scanned, rows::bigint
             from (select distinct scan ->> 'Schema', scan ->> 'Relation Name'
                   from jsonb_path_query(
                       $1::jsonb, 'strict $.** ? (@.\"Node Type\" == \"Seq Scan\")') scan
                  ) found (schema, name)
             join pg_namespace n on n.nspname = found.schema
             join pg_class c on c.relnamespace = n.oid and c.relname = found.name,
             format('%s.%s', found.schema, found.name) scanned,
             greatest(pg_relation_size(c.oid), 0) bytes,
             -- never analysed: 100 bytes make a row
             coalesce(case when c.reltuples >= 0 and c.relpages > 0
                 then c.reltuples / c.relpages * bytes / current_setting('block_size')::int
                 end, bytes / 100) rows
             where rows >= $2 order by rows desc, scanned",
            &[(&plan, Type::TEXT), (&FEW, Type::INT8)],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Finding::SequentialScan {
                table: row.try_get(0)?,
                rows: u64::try_from(row.try_get::<_, i64>(1)?).unwrap_or(0),
            })
        })
        .collect()
}
