//! An address that leads to another server than before, as that of a name or of a balancer
//! does after a failover: what was known of the server before is not true of this one.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use towerblock_postgres::{Cluster, Error, Scope, Servers, Settings, TokenKeys};
use towerblock_testkit::{Postgres, Server};

use crate::relay::Relay;
use crate::{alone, budget, known, schema, set_up, through, until};

const SOON: Duration = Duration::from_secs(4);
const DAY: Duration = Duration::from_secs(86_400);
const ADD: &str = "INSERT INTO items (owner) VALUES (1)";

/// How many rows there are, and the types of their columns.
async fn read(cluster: &Cluster, scope: &Scope) -> Result<(usize, Vec<String>), Error> {
    let one = schema(1);
    let read = cluster.read(&one).within(scope);
    let rows = read.query("all", "SELECT * FROM items", &[]).await?;
    let columns = rows[0].columns().iter();
    let types = columns.map(|column| column.type_().to_string()).collect();
    Ok((rows.len(), types))
}

async fn port(cluster: &Cluster) -> Option<u16> {
    let one = schema(1);
    let sql = "SELECT inet_server_port()";
    let rows = cluster.write(&one).query("port", sql, &[]).await.ok()?;
    u16::try_from(rows[0].get::<_, i32>(0)).ok()
}

async fn write(cluster: &Cluster, scope: &Scope) {
    let one = schema(1);
    let write = cluster.write(&one).within(scope);
    assert_eq!(write.execute("add", ADD, &[]).await.unwrap(), 1);
}

/// The address leads to `to`, where calls end up soon.
async fn moves(relay: &Relay, cluster: &Cluster, from: &Server, to: &Server) {
    relay.lead_to(to.addr());
    from.kill().await.unwrap();
    let there = until(SOON, async || port(cluster).await == Some(to.port())).await;
    assert!(there < Duration::from_secs(2), "{there:?}");
}

#[tokio::test]
async fn an_address_that_leads_elsewhere_is_asked_again_for_everything() {
    let _alone = alone().await;
    let postgres = Postgres::builder().standbys(1).start().await.unwrap();
    set_up(&postgres, 1).await;
    // It knows nothing of what happened there.
    let other = Postgres::builder().start().await.unwrap();
    set_up(&other, 1).await;
    let sql = "CREATE TYPE mood AS ENUM ('sad');
        ALTER TABLE t000000000001.items ALTER owner TYPE int, ADD mood mood DEFAULT 'sad'";
    other.primary().sql(sql).await.unwrap();
    let (primary, standby) = (postgres.primary(), &postgres.standbys()[0]);
    let relay = Relay::start(primary.addr()).await;
    let servers = Servers::new(&through(primary, relay.addr)).unwrap();
    let cluster = Cluster::start(servers, Settings::new(budget(2)));
    known(&cluster).await;
    let keys = TokenKeys::new([[7; 32]]).unwrap();
    let scope = Scope::new(DAY);
    write(&cluster, &scope).await;
    assert_eq!(read(&cluster, &scope).await.unwrap().0, 2);
    let first = scope.token_text(&keys).unwrap();
    postgres.caught_up().await.unwrap();

    // Another timeline: statements are prepared again, and what was written is seen.
    standby.promote().await.unwrap();
    moves(&relay, &cluster, primary, standby).await;
    assert_eq!(read(&cluster, &scope).await.unwrap().0, 2);
    write(&cluster, &scope).await;
    assert_ne!(scope.token_text(&keys).unwrap(), first);
    let old = Scope::new(DAY).with_token_text(&first, &keys);
    for scope in [&scope, &old] {
        let (rows, types) = read(&cluster, scope).await.unwrap();
        assert_eq!((rows, types), (3, vec!["int4".into(), "int8".into()]));
    }

    // As if it were restored from a backup: other rows and types, and a timeline from before.
    // It stays so when it is asked again how it is.
    moves(&relay, &cluster, standby, other.primary()).await;
    let (start, mut written) = (Instant::now(), 1);
    while start.elapsed() < Duration::from_millis(700) {
        for scope in [&scope, &old, &Scope::new(DAY)] {
            let (rows, types) = read(&cluster, scope).await.unwrap();
            assert_eq!((rows, types.len(), &*types[1]), (written, 3, "int4"));
        }
        write(&cluster, &Scope::new(DAY)).await;
        written += 1;
        sleep(Duration::from_millis(10)).await;
    }
}
