use std::env;
use std::future::pending;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio_postgres::Client;
use towerblock_cache::{Hub, Policy, Settings};
use towerblock_core::BoxError;
use towerblock_testkit::Redis;

use crate::support::{Instance, TABLE, connect, database, id, notes, outbox, until};

const DATABASE: &str = "TOWERBLOCK_TEST_CRASHES_WITH";

/// A process is killed between the commit and the moment in which it would have said so.
#[tokio::test]
async fn a_writer_that_is_killed_after_its_commit_leaves_nothing_stale() {
    let (postgres, client) = database().await;
    let redis = Redis::builder().start().await.unwrap();
    let url = postgres.primary().url();
    let b = Instance::sharing(&url, &redis.url(), outbox())
        .ready()
        .await;
    b.put("acme", "1").await;

    let mut writer = Command::new(env::current_exe().unwrap())
        .args(["crash::writer", "--exact", "--ignored", "--nocapture"])
        .env(DATABASE, &url)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    while lines.next_line().await.unwrap().unwrap() != "committed" {}
    // SIGKILL.
    writer.kill().await.unwrap();

    let took = until(async || b.get("acme", "1").await == "new").await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    // Redis has not kept it either, for one that starts now.
    until(async || notes(&client).await == (1, 0)).await;
    let c = Instance::sharing(&url, &redis.url(), outbox())
        .ready()
        .await;
    assert_eq!(c.get("acme", "1").await, "new");
}

/// What was noted while no instance was up is told by the first that comes.
#[tokio::test]
async fn an_instance_that_starts_tells_what_nobody_told() {
    let (postgres, client) = database().await;
    let redis = Redis::builder().start().await.unwrap();
    let url = postgres.primary().url();
    let a = Instance::sharing(&url, &redis.url(), outbox())
        .ready()
        .await;
    a.put("acme", "1").await;
    drop(a.relay);
    let tenant = id("acme");
    let noted = a.cache.invalidate_in(&client, &tenant, "1");
    noted.await.unwrap();
    a.hub.shutdown(Duration::ZERO).await;
    // More than are told at once, and it is long until the next look.
    let more = format!(
        "INSERT INTO {TABLE} (forget) SELECT forget FROM {TABLE}, generate_series(1, 1200)"
    );
    client.batch_execute(&more).await.unwrap();
    let seldom = outbox().every(Duration::from_secs(600));
    let b = Instance::sharing(&url, &redis.url(), seldom).ready().await;
    until(async || notes(&client).await == (1_201, 0)).await;
    assert_eq!(b.get("acme", "1").await, "new");
}

/// The process that is killed.
#[tokio::test]
#[ignore = "another test starts it"]
async fn writer() {
    let url = env::var(DATABASE).unwrap();
    let hub = Hub::start(Settings::memory(1 << 20)).unwrap();
    let policy = Policy::ttl(Duration::from_secs(1));
    let cache = hub.cache::<String, String>("things", policy);
    let cache = cache.unwrap();
    // Its relay never gets to look.
    let never = async || pending::<Result<Box<Client>, BoxError>>().await;
    let _relay = hub.relay(outbox(), never).unwrap();
    let mut client = connect(&url).await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let noted = cache.invalidate_in(&transaction, &id("acme"), "1").await;
    noted.unwrap();
    transaction.commit().await.unwrap();
    println!("committed");
    pending::<()>().await;
}
