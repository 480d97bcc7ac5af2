//! How often a call goes to the server and back.

use std::time::Duration;

use tokio::time::Instant;
use towerblock_postgres::{Cluster, Servers, Settings};
use towerblock_testkit::{Postgres, Proxy};

use crate::stopwatch::Stopwatch;
use crate::{budget, row_level, schema, set_up, through};

const ONE_WAY: Duration = Duration::from_millis(40);
const OWNER: &str = "SELECT owner FROM items WHERE owner = $1";

#[tokio::test]
async fn a_bound_statement_is_one_round_trip_and_two_the_first_time() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 2).await;
    let proxy = Proxy::start(postgres.primary().addr()).await.unwrap();
    let url = through(postgres.primary(), proxy.addr());
    let cluster = Cluster::start(Servers::new(&url).unwrap(), Settings::new(budget(1)));
    let (one, two) = (schema(1), row_level(2));
    let warm = cluster.read(&one).query("warm", "SELECT 1", &[]).await;
    assert_eq!(warm.unwrap().len(), 1);
    proxy.delay(ONE_WAY);
    let trip = 2 * ONE_WAY;
    for (binding, owner) in [(&one, 1_i64), (&two, 2)] {
        for trips in [2, 1, 1] {
            let (start, watch) = (Instant::now(), Stopwatch::start());
            let read = cluster.read(binding);
            let rows = read.query("owner", OWNER, &[&owner]).await;
            assert_eq!(rows.unwrap().len(), 1);
            let took = start.elapsed();
            assert!(
                took >= trip * trips && watch.elapsed() < trip * (trips + 1),
                "{took:?} for {trips}"
            );
        }
    }
    let add = "INSERT INTO items (owner) VALUES ($1)";
    for trips in [2, 1, 1] {
        let (start, watch) = (Instant::now(), Stopwatch::start());
        let write = cluster.write(&one);
        let count = write.execute("add", add, &[&1_i64]).await;
        assert_eq!(count.unwrap(), 1);
        let took = start.elapsed();
        assert!(
            took >= trip * trips && watch.elapsed() < trip * (trips + 1),
            "{took:?} for {trips}"
        );
    }
}
