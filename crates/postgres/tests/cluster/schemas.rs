//! What a connection remembers of the schemas that it served is bounded.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use towerblock_postgres::{Cluster, Keeps, SchemaName, Settings};
use towerblock_testkit::Postgres;

use crate::relay::Relay;
use crate::{budget, number, schema, servers, set_up, through};

const WHO: &str = "SELECT pg_backend_pid(), count(*) FROM items";
const BACKENDS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

fn keeping(schemas: usize, connections: usize) -> Settings {
    let mut keeps = Keeps::default();
    keeps.schemas = schemas;
    Settings::new(budget(connections)).keeps(keeps)
}

#[tokio::test]
async fn no_backend_serves_more_schemas_than_it_may_keep() {
    const TENANTS: u64 = 300;
    const KEPT: usize = 10;
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 0).await;
    let schemas: String = (1..=TENANTS)
        .map(SchemaName::from_key)
        .map(|schema| format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.items ();"))
        .collect();
    postgres.primary().sql(&schemas).await.unwrap();
    let cluster = Cluster::start(servers(&postgres), keeping(KEPT, 4));
    let mut served: HashMap<i32, HashSet<u64>> = HashMap::new();
    let keys: Vec<u64> = (1..=TENANTS).collect();
    for keys in keys.chunks(8) {
        let reads = keys.iter().map(async |key| {
            let binding = schema(*key);
            let rows = cluster.read(&binding).query("who", WHO, &[]).await;
            (rows.unwrap()[0].get::<_, i32>(0), *key)
        });
        for (pid, key) in join_all(reads).await {
            served.entry(pid).or_default().insert(key);
        }
        // The one that asks how the server is; one that was closed may not have noticed.
        let backends = number(postgres.primary(), BACKENDS).await;
        assert!(backends <= 4 + 1 + 4, "{backends} backends");
        assert!(cluster.servers()[0].open <= 4);
    }
    let most = served.values().map(HashSet::len).max().unwrap();
    // It is closed when it comes back with one more than it may keep.
    assert!(most <= KEPT + 1, "{most} schemas on one backend");
    assert!(most >= KEPT / 2, "connections are not used again");
    let backends = served.len();
    let least = usize::try_from(TENANTS).unwrap() / (KEPT + 1);
    assert!(backends >= least && backends <= 2 * least, "{backends}");
}

#[tokio::test]
async fn few_schemas_keep_their_connections() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 10).await;
    let relay = Relay::start(postgres.primary().addr()).await;
    let url = through(postgres.primary(), relay.addr);
    let servers = towerblock_postgres::Servers::new(&url).unwrap();
    let cluster = Cluster::start(servers, keeping(10, 1));
    let pids = async |keys: std::ops::RangeInclusive<u64>| {
        let mut pids = HashSet::new();
        for key in keys {
            let binding = schema(key);
            let rows = cluster.read(&binding).query("who", WHO, &[]).await;
            pids.insert(rows.unwrap()[0].get::<_, i32>(0));
        }
        pids.len()
    };
    for _ in 0..5 {
        assert_eq!(pids(1..=10).await, 1);
    }
    // Its own, that which asks how the server is, and one that once looked for a pooler.
    assert!(relay.count() <= 3, "{}", relay.count());
}
