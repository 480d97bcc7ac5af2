use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Config, Error as SqlError, NoTls, SimpleQueryMessage};

use super::USER;
use crate::Error;
use crate::error::Context;

/// How long a statement of the testkit's own may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs statements on a connection of their own; returns the last value they answered.
pub(crate) async fn run(port: u16, sql: &str) -> Result<Option<String>, Error> {
    let what = || format!("on port {port}: {sql}");
    match timeout(PATIENCE, ask(port, sql)).await {
        Ok(answer) => answer.context(what),
        Err(elapsed) => Err(elapsed).context(what),
    }
}

async fn ask(port: u16, sql: &str) -> Result<Option<String>, SqlError> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user(USER).dbname(USER);
    let (client, mut connection) = config.connect(NoTls).await?;
    // The connection is driven here rather than by a task, which would need someone to stop it.
    let rows = tokio::select! {
        biased;
        rows = client.simple_query(sql) => rows?,
        ended = &mut connection => return ended.map(|()| None),
    };
    let value = rows.iter().rev().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    drop(client);
    // Says goodbye, so that the server has no broken connection to report.
    let _closed = connection.await;
    Ok(value)
}
