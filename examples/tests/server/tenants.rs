//! Who the tenants are: in the database, changed there, and known while it is away.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;
use towerblock_testkit::Postgres;

use crate::client::get;
use crate::database::{ready, until};
use crate::program::Server;

const LIST: &str = "/api/v1/plugins";
/// So long may a tenant go on that was suspended by somebody else, a third of what is shipped.
const BOUND: Duration = Duration::from_secs(10);
const TTL: (&str, &str) = ("TENANT_TTL_MS", "10000");

async fn change(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_suspended_tenant_is_refused_within_the_bound_on_every_instance() {
    let postgres = Postgres::builder().start().await.unwrap();
    let url = postgres.primary().url();
    let instances = [(); 2].map(|()| Server::start(&[("DATABASE_URL", &url), TTL]));
    for server in &instances {
        ready(server).await;
        assert_eq!(get(server, "acme", LIST).status, 200);
        assert_eq!(get(server, "globex", LIST).status, 200);
    }
    let suspend = "UPDATE towerblock_directory.towerblock_tenants SET state = 'suspended'
                   WHERE id = 'acme'";
    change(&url, suspend).await;
    let since = Instant::now();
    // One is asked all the time, the other not once in between.
    let [busy, idle] = &instances;
    until("refused", || get(busy, "acme", LIST).status == 403).await;
    assert!(
        since.elapsed() < BOUND + Duration::from_secs(1),
        "{:?}",
        since.elapsed()
    );
    sleep(BOUND.saturating_sub(since.elapsed())).await;
    let answer = get(idle, "acme", LIST);
    assert_eq!(answer.status, 403);
    assert!(
        answer.body.contains("urn:towerblock:tenant-suspended"),
        "{}",
        answer.body
    );
    assert_eq!(get(idle, "globex", LIST).status, 200, "nobody else");
}

#[tokio::test]
async fn the_database_of_the_tenants_stopped_for_ten_seconds_stops_no_known_tenant() {
    let postgres = Postgres::builder().standbys(1).start().await.unwrap();
    let (primary, standby) = (postgres.primary(), &postgres.standbys()[0]);
    let server = Server::start(&[
        ("DATABASE_URL", &primary.url()),
        ("DATABASE_READ_REPLICAS", &standby.url()),
        TTL,
    ]);
    ready(&server).await;
    postgres.caught_up().await.unwrap();
    until("seen", || get(&server, "acme", LIST).status == 200).await;
    // The tables that say who the tenants are, and nothing else, are away on both servers: a
    // lock that a lookup waits for, as it would for a server that hangs.
    let (client, connection) = tokio_postgres::connect(&primary.url(), NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let lock = "BEGIN; LOCK TABLE towerblock_directory.towerblock_tenants
                IN ACCESS EXCLUSIVE MODE";
    client.batch_execute(lock).await.unwrap();
    postgres.caught_up().await.unwrap();
    let since = Instant::now();
    let mut slowest = Duration::ZERO;
    while since.elapsed() < Duration::from_secs(12) {
        let asked = Instant::now();
        assert_eq!(
            get(&server, "acme", LIST).status,
            200,
            "after {:?}",
            since.elapsed()
        );
        slowest = slowest.max(asked.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert_eq!(get(&server, "t00007", LIST).status, 503, "never seen");
    client.batch_execute("COMMIT").await.unwrap();
    until("back", || get(&server, "t00007", LIST).status == 200).await;
    drop(client);
    connection.await.unwrap().unwrap();

    // And the whole server, while the standby serves the rows.
    primary.kill().await.unwrap();
    let since = Instant::now();
    until("reads go on", || get(&server, "acme", LIST).status == 200).await;
    while since.elapsed() < Duration::from_secs(10) {
        assert_eq!(
            get(&server, "acme", LIST).status,
            200,
            "after {:?}",
            since.elapsed()
        );
        sleep(Duration::from_millis(50)).await;
    }
    primary.start().await.unwrap();
    until("all back", || get(&server, "t00008", LIST).status == 200).await;
}
