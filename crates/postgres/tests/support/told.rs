//! Writes, what their answers said, and what was done.

use std::collections::HashSet;

use tokio::time::Instant;
use towerblock_postgres::{Cluster, Error};
use towerblock_testkit::Server;

use crate::schema;

const ADD: &str = "INSERT INTO done VALUES ($1)";

/// How many answers said what.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) fine: usize,
    pub(crate) unknown: usize,
    pub(crate) refused: usize,
}

/// Where the first tenant has what was done.
pub(crate) async fn table(server: &Server) {
    let sql = "CREATE TABLE t000000000001.done (n bigint)";
    server.sql(sql).await.unwrap();
}

/// By a statement alone, or by a transaction.
pub(crate) async fn add(
    cluster: &Cluster,
    n: i64,
    alone: bool,
    before: Instant,
) -> Result<(), Error> {
    let one = schema(1);
    let write = cluster.write(&one).before(before);
    if alone {
        return write.execute("add", ADD, &[&n]).await.map(drop);
    }
    let work = write.transaction("add", async |tx| tx.execute(ADD, &[&n]).await);
    work.await.map(drop)
}

pub(crate) async fn done(server: &Server) -> Vec<i64> {
    let all = "SELECT coalesce(string_agg(n::text, ','), '') FROM t000000000001.done";
    let all = server.sql(all).await.unwrap().unwrap();
    all.split(',').filter_map(|n| n.parse().ok()).collect()
}

/// What was answered was done, what was refused was not, and nothing was done twice.
pub(crate) async fn holds(server: &Server, outcomes: &[(i64, Result<(), Error>)]) -> Told {
    let done = done(server).await;
    let once: HashSet<i64> = done.iter().copied().collect();
    assert_eq!(once.len(), done.len(), "done twice");
    let mut told = Told::default();
    for (n, outcome) in outcomes {
        match outcome {
            Ok(()) => {
                told.fine += 1;
                assert!(once.contains(n), "{n} was answered");
            }
            Err(error) if error.is_commit_unknown() => told.unknown += 1,
            Err(error) => {
                told.refused += 1;
                assert!(!once.contains(n), "{n} was refused: {error}");
            }
        }
    }
    told
}
