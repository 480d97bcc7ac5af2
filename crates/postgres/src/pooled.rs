//! Through a pooler that lends a connection for one transaction at a time: nothing stays on it.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row, SimpleQueryMessage, Statement};

use crate::ending::{conclude, end};
use crate::session::Session;
use crate::statement::{Answer, Call, ENDS, Failure, Parameters, Wants, ask};
use crate::statements::{ends_transaction, leaves_state};

pub(crate) const POOLED: &str =
    "a pooler lends connections by transaction, or may: nothing can be left on one";

/// The statements by which tokio-postgres looks up types that are not built in, which it keeps.
const LOOK_UPS: &str = "SELECT name FROM pg_catalog.pg_prepared_statements
    WHERE name ~ '^s[0-9]+$' AND NOT from_sql AND (statement LIKE 'SELECT t.typname, t.typtype%'
        OR statement LIKE 'SELECT enumlabel%' OR statement LIKE 'SELECT attname, atttypid%')";

impl Session {
    /// Three round trips, and nothing stays at the server.
    pub(crate) async fn unnamed(&self, call: Call<'_>, begin: &str) -> Result<Answer, Failure> {
        if leaves_state(call.sql) {
            return Err(Failure::Forbidden(POOLED));
        }
        if ends_transaction(call.sql) {
            return Err(Failure::Forbidden(ENDS));
        }
        let statement = self.prepare(call.sql, begin).await?;
        let flight = self.state.flight();
        let has_looked_up = has_looked_up(&statement);
        let answer = ask_unnamed(
            &self.client,
            statement,
            call.sql,
            call.parameters,
            call.wants,
        );
        let answer = answer.await;
        if has_looked_up {
            self.state.retire();
            if answer.is_ok() {
                let freed = free_look_ups(&self.client).await;
                freed.map_err(Failure::Before)?;
            }
        }
        let ended = end(&self.client, call.mode).await;
        flight.landed();
        conclude(call.mode, answer, ended)
    }
}

/// Asks what was prepared to learn its types, and frees its name: rows would keep it for as long
/// as they are, while another has the connection.
pub(crate) async fn ask_unnamed(
    client: &Client,
    statement: Statement,
    sql: &str,
    parameters: Parameters<'_>,
    wants: Wants,
) -> Result<(Vec<Row>, u64), Error> {
    let types = statement.params();
    if types.len() != parameters.len() {
        // It says so.
        return ask(client, &statement, parameters, wants).await;
    }
    let pairs = parameters.iter().zip(types);
    let pairs: Vec<_> = pairs.map(|(value, of)| (*value, of.clone())).collect();
    drop(statement);
    Ok(match wants {
        Wants::Rows => {
            let rows = client.query_typed(sql, &pairs).await?;
            let count = rows.len() as u64;
            (rows, count)
        }
        Wants::Count => (Vec::new(), client.execute_typed(sql, &pairs).await?),
    })
}

/// Whether types had to be looked up for it: then the client takes for prepared, from then on,
/// what another backend does not know, and is of no use any more.
pub(crate) fn has_looked_up(statement: &Statement) -> bool {
    let columns = statement
        .columns()
        .iter()
        .map(tokio_postgres::Column::type_);
    let mut types = columns.chain(statement.params());
    types.any(|of| Type::from_oid(of.oid()).is_none())
}

/// Frees the names of statements that nobody can use any more; whoever else has the backend may
/// come to the same ones.
pub(crate) async fn free_look_ups(client: &Client) -> Result<(), Error> {
    let names = client.simple_query(LOOK_UPS).await?;
    let names = names.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let sql: String = names.map(|name| format!("DEALLOCATE {name};")).collect();
    client.batch_execute(&sql).await
}
