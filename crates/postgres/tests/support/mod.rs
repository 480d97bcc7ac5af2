//! What the binaries of tests share.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use towerblock_core::TenantId;
use towerblock_postgres::{Binding, Budget, Cluster, SchemaName, Servers, Settings};
use towerblock_testkit::{Postgres, Server};

use crate::stopwatch::Stopwatch;

pub(crate) const ROLE: &str = "app_tenant";

fn tenant(key: u64) -> TenantId {
    TenantId::new(format!("tenant-{key}")).unwrap()
}

pub(crate) fn schema(key: u64) -> Binding {
    Binding::schema(&tenant(key), SchemaName::from_key(key))
}

pub(crate) fn row_level(key: u64) -> Binding {
    Binding::row_level(&tenant(key), ROLE, key)
}

pub(crate) fn budget(connections: usize) -> Budget {
    Budget::fixed(NonZeroUsize::new(connections).unwrap())
}

pub(crate) fn cluster(postgres: &Postgres, size: usize) -> Cluster {
    cluster_with(postgres, Settings::new(budget(size)))
}

pub(crate) fn cluster_with(postgres: &Postgres, settings: Settings) -> Cluster {
    Cluster::start(servers(postgres), settings)
}

pub(crate) fn servers(postgres: &Postgres) -> Servers {
    let servers = Servers::new(&postgres.primary().url()).unwrap();
    postgres
        .standbys()
        .iter()
        .fold(servers, |servers, standby| {
            servers.replica(&standby.url()).unwrap()
        })
}

/// The URL of a server, by way of what stands between.
pub(crate) fn through(server: &Server, between: SocketAddr) -> String {
    let (direct, by_way) = (server.addr().to_string(), between.to_string());
    let url = server.url().replace(&direct, &by_way);
    assert_ne!(url, server.url());
    url
}

/// How long it takes until it is so, which is `most` at the most.
pub(crate) async fn until(most: Duration, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let start = Stopwatch::start();
    while !is_so().await {
        let elapsed = start.elapsed();
        assert!(elapsed < most, "not so within {most:?}");
        sleep(Duration::from_millis(3)).await;
    }
    start.elapsed()
}

/// Until all servers have said how they are, and how far.
pub(crate) async fn known(cluster: &Cluster) {
    let all = async || {
        let servers = cluster.servers();
        servers
            .iter()
            .all(|server| server.is_primary == Some(true) || server.lag.is_some())
    };
    until(Duration::from_secs(5), all).await;
}

/// Of each attempt at a label, what became of it is counted.
pub(crate) fn attempts(cluster: &Cluster, label: &str) -> u64 {
    let report = cluster.statistics().report(Instant::now());
    let found = report.labels.iter().find(|of| of.label == label);
    found.map_or(0, |found| found.queries)
}

/// One number, past the cluster.
pub(crate) async fn number(server: &Server, sql: &str) -> i64 {
    server.sql(sql).await.unwrap().unwrap().parse().unwrap()
}

/// Tenants 1 to `tenants`, each with a schema, and with its rows in a table that all share: a
/// row says whose it is.
pub(crate) async fn set_up(postgres: &Postgres, tenants: u64) {
    let server = postgres.primary();
    let shared = format!(
        "CREATE ROLE {ROLE};
         CREATE TABLE items (tenant_id bigint NOT NULL, id serial, owner bigint NOT NULL);
         ALTER TABLE items ENABLE ROW LEVEL SECURITY;
         ALTER TABLE items FORCE ROW LEVEL SECURITY;
         CREATE POLICY tenant ON items USING (tenant_id =
             (SELECT nullif(current_setting('app.tenant_id', true), '')::bigint));
         GRANT ALL ON items, items_id_seq TO {ROLE};"
    );
    server.sql(&shared).await.unwrap();
    for key in 1..=tenants {
        let schema = SchemaName::from_key(key);
        let own = format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.items (id serial, owner bigint NOT NULL);
             INSERT INTO {schema}.items (owner) VALUES ({key});
             INSERT INTO items (tenant_id, owner) VALUES ({key}, {key});"
        );
        server.sql(&own).await.unwrap();
    }
    postgres.caught_up().await.unwrap();
}

/// Longer than anything takes that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
