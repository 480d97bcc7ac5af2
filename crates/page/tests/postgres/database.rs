use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};
use towerblock_testkit::Postgres;

/// One cluster for all tests of this binary, and a database for each.
static CLUSTER: OnceCell<Postgres> = OnceCell::const_new();
static DATABASES: AtomicUsize = AtomicUsize::new(0);

/// The URL of a database of the test's own.
pub(crate) async fn database() -> String {
    let start = || async { Postgres::builder().start().await.unwrap() };
    let cluster = CLUSTER.get_or_init(start).await;
    let number = DATABASES.fetch_add(1, Ordering::Relaxed);
    cluster.database(&format!("test_{number}")).await.unwrap()
}

/// A connection, which ends with the test's runtime.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A connection to a database of its own, in which `setup` has been run.
pub(crate) async fn prepared(setup: &str) -> Client {
    let client = connect(&database().await).await;
    client.batch_execute(setup).await.unwrap();
    client
}
