//! Many who come at once, and no connection yet.

use std::time::Duration;

use futures_util::future::join_all;
use towerblock_postgres::{Binding, Cluster, Limits, Servers, Settings};
use towerblock_testkit::Postgres;

use crate::meddler::Meddler;
use crate::{PATIENCE, alone, budget, known, number, through, until};

const SIZE: usize = 20;
const BACKENDS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

async fn cold(postgres: &Postgres, meddler: &Meddler) -> Cluster {
    let url = through(postgres.primary(), meddler.addr) + "?sslmode=disable";
    let mut limits = Limits::default();
    (limits.acquire, limits.call) = (Duration::from_secs(20), Duration::from_secs(20));
    let settings = Settings::new(budget(SIZE)).limits(limits);
    let cluster = Cluster::start(Servers::new(&url).unwrap(), settings);
    known(&cluster).await;
    meddler.most_opening();
    cluster
}

/// A machine that is full may have the monitor think that the server is away for a moment: who
/// is refused for that comes again.
async fn served(cluster: &Cluster, calls: usize, sql: &str) {
    let all = Binding::shared();
    let is_served = async || cluster.read(&all).query("storm", sql, &[]).await.is_ok();
    join_all((0..calls).map(|_| until(PATIENCE, is_served))).await;
}

#[tokio::test]
async fn a_storm_of_a_thousand_opens_few_connections_at_once_and_no_more_than_it_may() {
    let _alone = alone().await;
    let postgres = Postgres::builder().start().await.unwrap();
    let meddler = Meddler::slow(postgres.primary().addr(), Duration::from_millis(20)).await;
    let cluster = cold(&postgres, &meddler).await;
    served(&cluster, 1_000, "SELECT pg_sleep(0.01)").await;
    // Two of the pool, and one of those who ask how the server is.
    let most = meddler.most_opening();
    assert!((2..=3).contains(&most), "{most} at once");
    let open = cluster.servers()[0].open;
    assert!((4..=SIZE).contains(&open), "{open} open");
    let backends = number(postgres.primary(), BACKENDS).await;
    assert!(backends <= 20 + 2, "{backends} backends");
}

/// They are served by the first ones long before the others would be there.
#[tokio::test]
async fn a_spike_that_few_connections_can_serve_opens_no_others() {
    let _alone = alone().await;
    let postgres = Postgres::builder().start().await.unwrap();
    let meddler = Meddler::slow(postgres.primary().addr(), Duration::from_millis(300)).await;
    let cluster = cold(&postgres, &meddler).await;
    served(&cluster, 50, "SELECT 1").await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    let status = cluster.servers()[0];
    // The first two, and as many that were begun before those had served everyone.
    assert!(status.open <= 4, "{} open", status.open);
    assert_eq!((status.used, status.waiting), (0, 0));
}
