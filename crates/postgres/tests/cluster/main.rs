//! What a user of a cluster can rely on, on real servers.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod binding;
mod cancel;
mod faults;
mod leaks;
mod pooler;
mod replicas;

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use towerblock_core::TenantId;
use towerblock_postgres::{Binding, Budget, Cluster, SchemaName, Servers, Settings};
use towerblock_testkit::Postgres;

const ROLE: &str = "app_tenant";

fn tenant(key: u64) -> TenantId {
    TenantId::new(format!("tenant-{key}")).unwrap()
}

fn schema(key: u64) -> Binding {
    Binding::schema(&tenant(key), SchemaName::from_key(key))
}

fn row_level(key: u64) -> Binding {
    Binding::row_level(&tenant(key), ROLE, key)
}

fn budget(connections: usize) -> Budget {
    Budget::fixed(NonZeroUsize::new(connections).unwrap())
}

fn cluster(postgres: &Postgres, size: usize) -> Cluster {
    cluster_with(postgres, Settings::new(budget(size)))
}

fn cluster_with(postgres: &Postgres, settings: Settings) -> Cluster {
    let servers = Servers::new(&postgres.primary().url()).unwrap();
    let servers = postgres
        .standbys()
        .iter()
        .fold(servers, |servers, standby| {
            servers.replica(&standby.url()).unwrap()
        });
    Cluster::start(servers, settings)
}

/// Tenants 1 to `tenants`, each with a schema, and with its rows in a table that all share: a
/// row says whose it is.
async fn set_up(postgres: &Postgres, tenants: u64) {
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

/// How long it takes until it is so.
async fn until(mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}
