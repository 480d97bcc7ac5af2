//! The database made slow, and then dead: what clients get, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use towerblock_testkit::{Postgres, Proxy};

use crate::client::{Answer, ask, get, send};
use crate::database::{ready, until};
use crate::program::Server;

const TENANTS: [&str; 8] = [
    "acme", "globex", "t00001", "t00002", "t00003", "t00004", "t00005", "t00006",
];
/// What the server's policy says: how many calls it looks at, and failures in a row.
const WINDOW: usize = 50;
const IN_A_ROW: usize = 5;
/// In each direction: a round trip is less slow than would make the server count as away.
const SLOW: Duration = Duration::from_millis(260);
/// With a parameter that is not known, so that no cache answers.
const LIST: &str = "/api/v1/plugins?limit=5&uncached";
/// What is in memory.
pub(crate) const KEPT: &str = "/api/v1/plugins";
pub(crate) const TOKEN: &str = "a-long-secret";

pub(crate) fn admin(server: &Server, method: &str, path: &str, body: &str) -> Answer {
    let json = "content-type: application/json";
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{json}\r\nauthorization: Bearer {TOKEN}\r\n"
    );
    send(server, &head, body)
}

fn state(server: &Server, name: &str) -> String {
    let all = admin(server, "GET", "/api/degradation/circuits", "").json();
    let found = all.as_array().unwrap().iter();
    let found = found.clone().find(|circuit| circuit["name"] == name);
    found.unwrap()["state"].as_str().unwrap().to_owned()
}

fn level(server: &Server) -> (String, Value) {
    let health = admin(server, "GET", "/api/degradation/health", "").json();
    let level = health["level"].as_str().unwrap().to_owned();
    (level, health["reasons"].clone())
}

fn put_profile(server: &Server, tenant: &str) -> Answer {
    let (user, path) = ("x-user-id: ann\r\n", "/api/v1/user/profile");
    ask(server, "PUT", tenant, path, user, r#"{"display_name":"x"}"#)
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == 503 && answer.header("retry-after").is_some()
}

/// Reads of all tenants at once until the circuit opens: how many were answered until then.
fn read_until_refused(server: &Arc<Server>) -> usize {
    let is_over = Arc::new(AtomicBool::new(false));
    let clients = TENANTS.map(|tenant| {
        let (server, is_over) = (Arc::clone(server), Arc::clone(&is_over));
        std::thread::spawn(move || {
            let (mut calls, mut tries) = (0, 0);
            while !is_over.load(Ordering::Relaxed) {
                let answer = list(&server, tenant);
                assert!(
                    answer.status == 200 || is_refused(&answer),
                    "{}",
                    answer.body
                );
                if !is_refused(&answer) {
                    calls += 1;
                } else if state(&server, "database.read") != "closed" {
                    is_over.store(true, Ordering::Relaxed);
                }
                // The others waited too long for a new connection: the circuit does not hear of them.
                tries += 1;
                assert!(tries < 1_000, "it never opens");
            }
            calls
        })
    });
    let calls = clients.map(|client| client.join().unwrap());
    calls.iter().sum()
}

/// Calls, one after the other, until the circuit is open: how many failed until then.
fn fail_until_open(server: &Server, name: &str, call: fn(&Server, &str) -> Answer) -> usize {
    let mut calls = 0;
    for tenant in TENANTS.iter().cycle() {
        if state(server, name) != "closed" {
            break;
        }
        let answer = call(server, tenant);
        assert_ne!(answer.status, 200, "{}", answer.body);
        calls += 1;
        assert!(calls < 100, "it never opens");
    }
    calls
}

/// Refusals, and how long they took: the median and the longest.
fn refusals(server: &Server, call: fn(&Server, &str) -> Answer) -> (usize, Duration, Duration) {
    let mut times = Vec::new();
    for tenant in TENANTS.iter().cycle().take(200) {
        let start = Instant::now();
        let answer = call(server, tenant);
        // What is let through to find out whether it is over takes the time that it takes.
        let took = start.elapsed();
        if is_refused(&answer) && took < SLOW {
            times.push(took);
        }
    }
    times.sort_unstable();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    (times.len(), median, longest)
}

fn list(server: &Server, tenant: &str) -> Answer {
    get(server, tenant, LIST)
}

/// A list as it was, marked, though nobody reads it now.
async fn stands_in(server: &Server, before: &Answer) -> Duration {
    let mut took = Duration::ZERO;
    // Not the one that is let through to find out.
    until("a stand-in", || {
        let start = Instant::now();
        let answer = get(server, "acme", KEPT);
        took = start.elapsed();
        let is_marked = answer.header("x-degraded") == Some("circuit-open");
        assert!(!is_marked || answer.status == 200 && answer.body == before.body);
        is_marked
    })
    .await;
    took
}

async fn closes_by_itself(server: &Server) -> Duration {
    let start = Instant::now();
    for (name, call) in [
        ("database.read", list as fn(&Server, &str) -> Answer),
        ("database.write", put_profile),
    ] {
        until("closed again", || {
            TENANTS.iter().for_each(|tenant| drop(call(server, tenant)));
            state(server, name) == "closed"
        })
        .await;
    }
    let took = start.elapsed();
    for call in [list as fn(&Server, &str) -> Answer, put_profile] {
        // Each tenant has a circuit of its own as well.
        let well = || {
            TENANTS
                .iter()
                .all(|tenant| call(server, tenant).status == 200)
        };
        until("all are served", well).await;
    }
    took
}

/// A server that knows its tenants, and its database behind a proxy.
async fn setting() -> (Postgres, Proxy, Arc<Server>) {
    let postgres = Postgres::builder().start().await.unwrap();
    let primary = postgres.primary();
    let proxy = Proxy::start(primary.addr()).await.unwrap();
    let url = primary.url();
    let url = url.replace(&primary.addr().to_string(), &proxy.addr().to_string());
    let server = Server::start(&[("DATABASE_URL", &url), ("ADMIN_TOKEN", TOKEN)]);
    let server = Arc::new(server);
    ready(&server).await;
    for tenant in TENANTS {
        assert_eq!(list(&server, tenant).status, 200);
        assert_eq!(put_profile(&server, tenant).status, 200);
    }
    assert_eq!(
        level(&server),
        ("full".to_owned(), Value::Array(Vec::new()))
    );
    (postgres, proxy, server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_circuits_open_answer_what_can_be_answered_and_close_by_themselves() {
    let (_postgres, proxy, server) = setting().await;
    let before = get(&server, "acme", KEPT);
    assert_eq!((before.status, before.header("x-degraded")), (200, None));

    proxy.delay(SLOW);
    let slow_calls = read_until_refused(&server);
    let slow = refusals(&server, list);
    let slow_stand_in = stands_in(&server, &before).await;
    let (slow_level, why) = level(&server);
    assert_ne!(state(&server, "database.read"), "closed", "{why}");
    assert_eq!(state(&server, "database.write"), "closed", "nobody wrote");
    proxy.heal().await;
    let slow_back = closes_by_itself(&server).await;
    assert_eq!(get(&server, "acme", KEPT).header("x-degraded"), None);

    proxy.refuse().await;
    proxy.reset().await;
    let dead_writes = fail_until_open(&server, "database.write", put_profile);
    let dead = refusals(&server, put_profile);
    let dead_calls = fail_until_open(&server, "database.read", list);
    let dead_reads = refusals(&server, list);
    let dead_stand_in = stands_in(&server, &before).await;
    let (dead_level, why) = level(&server);
    assert!(why.to_string().contains("primary"), "{why}");
    proxy.heal().await;
    let dead_back = closes_by_itself(&server).await;
    until("nothing is left", || level(&server).0 == "full").await;

    println!("| database | opened after | refused | median | longest | stand-in | closed after |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for (what, calls, (refused, median, longest), stand_in, back) in [
        ("slow, reads", slow_calls, slow, slow_stand_in, slow_back),
        (
            "dead, reads",
            dead_calls,
            dead_reads,
            dead_stand_in,
            dead_back,
        ),
        ("dead, writes", dead_writes, dead, dead_stand_in, dead_back),
    ] {
        println!(
            "| {what} | {calls} calls | {refused} | {median:?} | {longest:?} | {stand_in:?} | {back:?} |"
        );
        assert!(refused > 100, "{what}: {refused}");
        assert!(median < Duration::from_millis(5), "{what}: {median:?}");
        assert!(back < Duration::from_secs(5), "{what}: {back:?}");
    }
    // Those that were under way when it opened count as well.
    assert!(slow_calls <= WINDOW + TENANTS.len(), "{slow_calls}");
    assert_eq!(dead_writes, IN_A_ROW);
    // The tenant that was slow last is heard of no second time, and who looks up tenants is.
    assert!(dead_calls <= IN_A_ROW + 1, "{dead_calls}");
    assert_eq!((&*slow_level, &*dead_level), ("unavailable", "unavailable"));
}

#[tokio::test]
async fn a_tenant_that_fails_shuts_out_nobody_else() {
    let postgres = Postgres::builder().start().await.unwrap();
    let primary = postgres.primary();
    let url = primary.url();
    let server = Server::start(&[("DATABASE_URL", &url), ("ADMIN_TOKEN", TOKEN)]);
    ready(&server).await;
    let (locker, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let lock = "BEGIN; LOCK TABLE t000000000001.plugins";
    locker.batch_execute(lock).await.unwrap();
    let server = Arc::new(server);
    // Each waits as long as a request's queries may.
    let waiting = [(); 8].map(|()| {
        let server = Arc::clone(&server);
        std::thread::spawn(move || list(&server, "acme").status)
    });
    for client in waiting {
        assert_eq!(client.join().unwrap(), 503);
    }
    let refused = list(&server, "acme");
    assert!(is_refused(&refused), "{}", refused.body);
    assert_eq!(state(&server, "database.read"), "closed");
    for tenant in &TENANTS[1..] {
        assert_eq!(list(&server, tenant).status, 200, "{tenant}");
    }
    let (level, why) = level(&server);
    assert_eq!(
        (&*level, &why[0]["kind"]),
        ("degraded", &"tenants".into()),
        "{why}"
    );
    locker.batch_execute("COMMIT").await.unwrap();
    until("served again", || list(&server, "acme").status == 200).await;
}
