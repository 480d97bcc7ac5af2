//! An instance is killed between the commit of a write and the moment it would have told the
//! others what that makes stale.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use towerblock_testkit::{Postgres, Redis};

use crate::client::get;
use crate::database::until;
use crate::program::Server;
use crate::sharing::{instance, redis_is, shows};

const PLUGIN: &str = "/api/v1/plugins/1199";
/// With a parameter that is not known, so that no cache answers.
const IN_DATABASE: &str = "/api/v1/plugins?limit=100&uncached";
/// Others look once in a second; the rest is room for two cores that build something else.
const STALE: Duration = Duration::from_secs(3);

/// Sends a write, and does not wait for the answer.
fn begin_to_rename(server: &Server, name: &str) -> TcpStream {
    let mut client = TcpStream::connect(server.address).unwrap();
    let body = format!(r#"{{"name":"{name}"}}"#);
    let length = body.len();
    let head = format!("PUT {PLUGIN} HTTP/1.1\r\nhost: acme.localhost\r\n");
    let body = format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
    client.write_all((head + &body).as_bytes()).unwrap();
    client
}

#[tokio::test]
async fn a_writer_that_is_killed_leaves_nothing_stale() {
    let postgres = Postgres::builder().start().await.unwrap();
    let redis = Redis::builder().start().await.unwrap();
    let mut writer = instance(&postgres, &redis.url()).await;
    let reader = instance(&postgres, &redis.url()).await;
    for server in [&writer, &reader] {
        until("Redis is up", || redis_is(server, "up")).await;
    }
    // In both memories, and in Redis.
    for server in [&writer, &reader, &reader] {
        assert!(!shows(server, PLUGIN, "written"));
    }
    // A writer tells Redis before it answers: this one cannot.
    redis.pause().await.unwrap();
    let _client = begin_to_rename(&writer, "written");
    while !shows(&reader, IN_DATABASE, "written") {
        sleep(Duration::from_millis(1)).await;
    }
    // SIGKILL.
    writer.process.kill().unwrap();
    let killed = Instant::now();
    writer.process.wait().unwrap();
    until("forgotten", || shows(&reader, PLUGIN, "written")).await;
    let stale = killed.elapsed();
    println!("stale after the writer was killed: {stale:?}, {STALE:?} allowed");
    assert!(stale < STALE, "{stale:?}");

    redis.resume().await.unwrap();
    until("Redis is up", || redis_is(&reader, "up")).await;
    let untold = "SELECT count(*)::text FROM towerblock_outbox.stale WHERE NOT told";
    while postgres.primary().sql(untold).await.unwrap().as_deref() != Some("0") {
        assert!(killed.elapsed() < 10 * STALE);
        sleep(Duration::from_millis(20)).await;
    }
    // Nor does one that starts now find it in Redis.
    let next = instance(&postgres, &redis.url()).await;
    until("Redis is up", || redis_is(&next, "up")).await;
    assert!(shows(&next, PLUGIN, "written"));
    assert_eq!(get(&next, "acme", PLUGIN).status, 200);
}
