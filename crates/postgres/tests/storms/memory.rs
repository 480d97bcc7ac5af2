//! What a backend's memory holds of the schemas that it served.

use towerblock_postgres::{Cluster, Keeps, SchemaName, Settings};
use towerblock_testkit::Postgres;

use crate::{alone, budget, schema, servers, set_up};

const WHO: &str = "SELECT pg_backend_pid(), count(*) FROM items";

fn keeping(schemas: usize, connections: usize) -> Settings {
    let mut keeps = Keeps::default();
    keeps.schemas = schemas;
    Settings::new(budget(connections)).keeps(keeps)
}

/// In kilobytes, that it shares with nobody.
fn memory(pid: i32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.unwrap().split_whitespace().nth(1);
    number.unwrap().parse().unwrap()
}

/// By how much the largest backend grew, of those that served so many schemas one by one.
async fn growth(postgres: &Postgres, kept: usize, schemas: u64) -> usize {
    let cluster = Cluster::start(servers(postgres), keeping(kept, 1));
    let (mut least, mut most) = (usize::MAX, 0);
    for key in 1..=schemas {
        let binding = schema(key);
        let rows = cluster.read(&binding).query("who", WHO, &[]).await;
        let memory = memory(rows.unwrap()[0].get(0));
        (least, most) = (least.min(memory), most.max(memory));
    }
    most - least
}

#[tokio::test]
async fn a_thousand_schemas_do_not_fill_the_memory_of_a_backend() {
    let _alone = alone().await;
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 0).await;
    let columns: String = (0..40).map(|n| format!(", c{n} text")).collect();
    let schemas: String = (1..=1_000)
        .map(SchemaName::from_key)
        .map(|schema| {
            format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.items (id int{columns});")
        })
        .collect();
    postgres.primary().sql(&schemas).await.unwrap();
    let all = growth(&postgres, 1_000, 400).await;
    let few = growth(&postgres, 50, 1_000).await;
    assert!(few < all / 2, "{few} kB, and {all} kB without a bound");
}
