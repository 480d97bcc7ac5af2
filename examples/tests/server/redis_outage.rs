//! Redis that hangs, dies and comes back, under clients that go on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use towerblock_testkit::{Postgres, Redis};

use crate::caching::metric;
use crate::client::{Answer, ask, get};
use crate::database::{probe, until};
use crate::load::{Load, Seen, slowest};
use crate::program::Server;
use crate::sharing::{instance, redis_is};

const READERS: usize = 6;
const WRITERS: usize = 2;
const CLIENTS: u64 = 8;
/// What nobody waits longer for.
const BOUND: Duration = Duration::from_millis(100);
/// For two cores that build something else: with Redis up some wait for them as long.
const ROOM: Duration = Duration::from_millis(900);
/// From then on nobody waits for it at all.
const KNOWN: Duration = Duration::from_millis(300);
const HANG: Duration = Duration::from_secs(10);
const AWAY: Duration = Duration::from_secs(3);
const TIMEOUTS: &str = r#"redis_timeouts_total{redis="redis"}"#;

/// What is in memory, what is not, and writes, which tell Redis what is to be forgotten.
fn once(server: &Server, n: usize, times: usize) -> (bool, Answer) {
    let tenant = ["acme", "globex"][n % 2];
    let answer = match n {
        0..3 => get(server, tenant, "/api/v1/plugins?limit=10"),
        // More tenants than are asked again while it lasts.
        3..READERS => {
            let id = 1 + (times * 3 + n) % 9_000;
            get(server, &format!("t{id:05}"), "/api/v1/plugins?limit=3")
        }
        READERS => {
            let (user, path) = ("x-user-id: ann\r\n", "/api/v1/user/profile");
            ask(server, "PUT", tenant, path, user, r#"{"display_name":"x"}"#)
        }
        _ => {
            let (path, draft) = ("/api/v1/plugins/1007", r#"{"name":"x"}"#);
            ask(server, "PUT", "acme", path, "", draft)
        }
    };
    (n < READERS, answer)
}

/// What was begun from one moment to another.
struct Span {
    all: usize,
    waited: usize,
    failed: usize,
    slowest: Duration,
    longest: Duration,
}

impl Span {
    fn of(seen: &[Seen], from: Instant, to: Instant) -> Self {
        let begun = seen.iter().filter(|one| one.at >= from && one.at < to);
        let begun: Vec<_> = begun.cloned().collect();
        Self {
            all: begun.len(),
            waited: begun.iter().filter(|one| one.took > BOUND).count(),
            failed: begun.iter().filter(|one| !one.is_done()).count(),
            slowest: slowest(&begun),
            longest: begun.iter().map(|one| one.took).max().unwrap(),
        }
    }

    fn print(&self, what: &str, when: &str) {
        let Self {
            all,
            waited,
            failed,
            ..
        } = self;
        let (slowest, longest) = (self.slowest, self.longest);
        println!("| {what} | {when} | {all} | {waited} | {failed} | {slowest:?} | {longest:?} |");
    }
}

/// What clients saw of an outage; how long it took until Redis was used again.
async fn without_redis(server: &Server, load: &Load, redis: &Redis, hangs: bool) -> Duration {
    let what = if hangs { "hung" } else { "killed" };
    let before = Instant::now();
    sleep(Duration::from_secs(2)).await;
    let from = Instant::now();
    if hangs {
        redis.pause().await.unwrap();
    } else {
        redis.kill().await.unwrap();
    }
    // What was begun before it was known has ended by then.
    sleep_until(from + KNOWN + BOUND).await;
    let late = metric(server, TIMEOUTS);
    sleep(if hangs { HANG } else { AWAY }).await;
    let waited_for = metric(server, TIMEOUTS) - late;
    assert_eq!(probe(server, "/readyz"), 200, "{what}");
    assert!(redis_is(server, "away"), "{what}");
    let mut back = Instant::now();
    if hangs {
        redis.resume().await.unwrap();
    } else {
        redis.start().await.unwrap();
        back = Instant::now();
    }
    until("up again", || redis_is(server, "up")).await;
    let again = back.elapsed();
    sleep(Duration::from_secs(2)).await;
    let seen = load.since(before);
    for (when, from, to) in [
        ("before", before, from),
        ("the first 300 ms", from, from + KNOWN),
        ("then", from + KNOWN, back),
        ("after", back, Instant::now()),
    ] {
        let span = Span::of(&seen, from, to);
        span.print(what, when);
        assert!(span.longest < BOUND + ROOM, "{what}: {:?}", span.longest);
    }
    println!("{what}: {waited_for} calls of Redis were waited for once it was known");
    let failed = seen.iter().find(|one| !one.is_done());
    assert!(failed.is_none(), "{what}: {failed:?}");
    // None on cores of its own; one for each client where it is known later than it should be.
    assert!(waited_for <= CLIENTS, "{what}: {waited_for}");
    again
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_for_redis_and_none_waits_once_it_is_known_to_be_away() {
    let postgres = Postgres::builder().start().await.unwrap();
    let redis = Redis::builder().start().await.unwrap();
    let server = Arc::new(instance(&postgres, &redis.url()).await);
    until("Redis is up", || redis_is(&server, "up")).await;
    let load = Load::start(&server, READERS + WRITERS, once);
    let began = Instant::now();
    until("there is load", || load.since(began).len() > 500).await;

    println!("| Redis | when | requests | waited > {BOUND:?} | failed | 99 % | longest |");
    println!("|---|---|--:|--:|--:|--:|--:|");
    let hung = without_redis(&server, &load, &redis, true).await;
    let killed = without_redis(&server, &load, &redis, false).await;
    load.end();
    println!("used again {hung:?} after it went on, {killed:?} after it was started again");
    for again in [hung, killed] {
        assert!(again < Duration::from_secs(2), "{again:?}");
    }
}
