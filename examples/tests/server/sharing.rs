//! Two instances on one Redis and one PostgreSQL.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::time::Instant;
use towerblock_testkit::{Direction, Postgres, Proxy, Redis};

use crate::caching::metric;
use crate::client::{ask, get, send};
use crate::database::{probe, ready, until};
use crate::program::Server;

const PLUGIN: &str = "/api/v1/plugins/1199";
const LIST: &str = "/api/v1/plugins?limit=100";
/// Of an instance that does not hear the other.
const DEAF: Duration = Duration::from_secs(2);
/// Until an instance knows that it does not.
const UNKNOWN: Duration = Duration::from_secs(3);
/// For two cores that build something else.
const ROOM: Duration = Duration::from_millis(500);

/// An instance that shares what it keeps.
pub(crate) async fn instance(postgres: &Postgres, redis: &str) -> Server {
    let server = Server::start(&[
        ("DATABASE_URL", &postgres.primary().url()),
        ("REDIS_URL", redis),
        ("SECRET_KEYS", &STANDARD.encode([1; 32])),
        ("CACHE_DEAF_MS", &DEAF.as_millis().to_string()),
    ]);
    assert!(
        server.said.contains("shared through Redis"),
        "{}",
        server.said
    );
    ready(&server).await;
    server
}

fn checks(server: &Server) -> Value {
    let head = "GET /api/health HTTP/1.1\r\nhost: localhost\r\n";
    send(server, head, "").json()["checks"].clone()
}

/// What an admin is told of Redis.
pub(crate) fn redis_is(server: &Server, status: &str) -> bool {
    let is_up = checks(server)["redis"][0]["status"] == "pass";
    is_up == (status == "up")
}

fn rename(server: &Server, name: &str) {
    let draft = format!(r#"{{"name":"{name}"}}"#);
    let put = ask(server, "PUT", "acme", PLUGIN, "", &draft);
    assert_eq!(put.status, 200, "{}", put.body);
}

pub(crate) fn shows(server: &Server, path: &str, name: &str) -> bool {
    let answer = get(server, "acme", path);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body.contains(&format!("\"{name}\""))
}

/// How long after a write was answered by one the other shows it.
async fn seen_after(writer: &Server, reader: &Server, path: &str, name: &str) -> Duration {
    // It is in the reader's memory.
    for _ in 0..3 {
        assert!(!shows(reader, path, name));
    }
    rename(writer, name);
    let written = Instant::now();
    while !shows(reader, path, name) {
        assert!(written.elapsed() < Duration::from_secs(30), "{path}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    written.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_instance_writes_the_other_shows() {
    let postgres = Postgres::builder().start().await.unwrap();
    let redis = Redis::builder().start().await.unwrap();
    let proxy = Proxy::start(redis.addr()).await.unwrap();
    let through = format!("redis://{}", proxy.addr());
    let one = instance(&postgres, &redis.url()).await;
    let other = instance(&postgres, &through).await;
    for server in [&one, &other] {
        until("Redis is up", || redis_is(server, "up")).await;
    }
    // What one has loaded the other finds.
    get(&one, "globex", LIST);
    until("stored", || {
        let before = metric(&other, "cache_loads_total");
        get(&other, "globex", LIST);
        metric(&other, "cache_loads_total") == before
    })
    .await;

    let mut times = Vec::new();
    for round in 0..20 {
        for (n, path) in [PLUGIN, LIST].into_iter().enumerate() {
            let name = format!("heard-{round}-{n}");
            times.push(seen_after(&one, &other, path, &name).await);
        }
    }
    times.sort_unstable();
    let (median, heard) = (times[times.len() / 2], times[times.len() - 1]);
    println!(
        "with the bus up: {median:?} after the write, {heard:?} at most of {}",
        times.len()
    );

    proxy.drop_bytes(Direction::Both);
    let deaf = seen_after(&one, &other, PLUGIN, "not-heard").await;
    until("known to be away", || redis_is(&other, "away")).await;
    assert_eq!(probe(&other, "/readyz"), 200, "Redis is none of its needs");
    println!(
        "with the bus cut: {deaf:?} after the write, {:?} allowed",
        UNKNOWN + DEAF
    );

    // Who cannot tell it now tells it as soon as it can.
    for _ in 0..3 {
        assert!(shows(&one, PLUGIN, "not-heard"));
    }
    rename(&other, "not-told");
    assert!(shows(&other, PLUGIN, "not-told"));
    proxy.heal().await;
    let healed = Instant::now();
    until("told", || shows(&one, PLUGIN, "not-told")).await;
    let told = healed.elapsed();
    until("up again", || redis_is(&other, "up")).await;
    println!("what could not be told: {told:?} after the network was back");
    assert!(heard < Duration::from_millis(250), "{heard:?}");
    assert!(deaf < UNKNOWN + DEAF + ROOM, "{deaf:?}");
    assert!(told < Duration::from_secs(2) + ROOM, "{told:?}");
}

#[tokio::test]
async fn operators_see_redis_and_who_starts_without_it_works() {
    let redis = Redis::builder().tls(true).start().await.unwrap();
    let ca = std::env::temp_dir().join(format!("towerblock-redis-{}.pem", std::process::id()));
    std::fs::write(&ca, redis.ca().unwrap()).unwrap();
    let url = format!("{}?cacert={}", redis.url(), ca.display());
    redis.kill().await.unwrap();
    let server = Server::start(&[("DATABASE_URL", "memory:"), ("REDIS_URL", &url)]);
    let alone = format!(
        "memory, and Redis at {} for this instance alone",
        redis.addr()
    );
    assert!(server.said.contains(&alone), "{}", server.said);
    ready(&server).await;
    let start = Instant::now();
    for path in [LIST, PLUGIN] {
        assert_eq!(get(&server, "acme", path).status, 200);
    }
    rename(&server, "alone");
    assert!(shows(&server, PLUGIN, "alone"));
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(redis_is(&server, "away"));
    let health = "GET /api/degradation/health HTTP/1.1\r\nhost: localhost\r\n";
    let level = || send(&server, health, "").json();
    assert_eq!(level()["level"], "degraded");

    redis.start().await.unwrap();
    until("up", || redis_is(&server, "up")).await;
    until("well", || level()["level"] == "full").await;
    let circuits = "GET /api/degradation/circuits HTTP/1.1\r\nhost: localhost\r\n";
    let circuits = send(&server, circuits, "").json();
    for name in ["redis.read", "redis.write"] {
        let mut all = circuits.as_array().unwrap().iter();
        assert!(
            all.any(|one| one["name"] == name && one["state"] == "closed"),
            "{circuits}"
        );
    }
    assert_eq!(metric(&server, r#"redis_subscribed{redis="redis"}"#), 1);
    assert!(checks(&server)["cache_entries"].is_array());
    std::fs::remove_file(&ca).unwrap();
}

#[tokio::test]
async fn instances_with_data_of_their_own_share_nothing() {
    let redis = Redis::builder().start().await.unwrap();
    let environment = [("DATABASE_URL", "memory:"), ("REDIS_URL", &*redis.url())];
    let instances = [(); 2].map(|()| Server::start(&environment));
    for server in &instances {
        until("up", || redis_is(server, "up")).await;
    }
    rename(&instances[0], "mine");
    for _ in 0..2 {
        assert!(shows(&instances[0], PLUGIN, "mine"));
        assert!(!shows(&instances[1], PLUGIN, "mine"));
    }
}
