//! What the doctor sees on real servers, and what it does not.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod capacity;
mod plans;
mod poolers;
mod row_level;

use tokio_postgres::{Client, NoTls};
use towerblock_postgres::{Examination, examine};
use towerblock_testkit::Postgres;

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A server, and its superuser.
async fn server() -> (Postgres, Client) {
    let server = Postgres::builder().start().await.unwrap();
    let client = connect(&server.primary().url()).await;
    (server, client)
}

async fn connect_as(server: &Postgres, role: &str) -> Client {
    let url = server.primary().url();
    connect(&url.replace("//towerblock@", &format!("//{role}@"))).await
}

async fn findings(client: &Client, what: &Examination) -> Vec<String> {
    let findings = examine(client, what).await.unwrap();
    findings.iter().map(ToString::to_string).collect()
}
