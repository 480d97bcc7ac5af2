//! Servers of the database that die, hang and come back, under clients that go on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use towerblock_testkit::{Postgres, Server as Database};

use crate::client::{Answer, ask, get};
use crate::database::{is_away, ready, until};
use crate::load::{Load, Seen, slowest};
use crate::program::Server;

const READERS: usize = 3;
const WRITERS: usize = 2;
/// So long lasts an outage, at least.
const OUTAGE: Duration = Duration::from_secs(4);

fn once(server: &Server, n: usize) -> (bool, Answer) {
    let answer = match n {
        0..READERS => {
            let tenant = ["acme", "globex", "t00001"][n % 3];
            // No cache answers a parameter that is not known.
            get(server, tenant, "/api/v1/plugins?limit=10&uncached")
        }
        // What may be done twice, and what may not.
        READERS => {
            let (user, path) = ("x-user-id: ann\r\n", "/api/v1/user/profile");
            ask(server, "PUT", "acme", path, user, r#"{"display_name":"x"}"#)
        }
        _ => {
            let draft = r#"{"name":"x"}"#;
            ask(server, "POST", "t00002", "/api/v1/plugins", "", draft)
        }
    };
    (n < READERS, answer)
}

/// What the outage of the primary since `from` came to; it was back at `back`.
fn check_primary(what: &str, load: &Load, from: Instant, back: Instant) {
    let writes = load.writes_since(from);
    let quick = |one: &&Seen| one.is_refused && one.took < Duration::from_millis(50);
    let first = writes.iter().find(quick).expect("a refusal");
    let detected = first.at + first.took;
    // Begun while it was known to be away, and ended while it was.
    let refused: Vec<_> = writes
        .iter()
        .filter(|one| one.at >= detected && one.at + one.took < back)
        .cloned()
        .collect();
    assert!(refused.len() > 50, "{what}: {} refusals", refused.len());
    let other = refused.iter().find(|one| !one.is_refused);
    assert!(other.is_none(), "{what}: {other:?}");
    let slowest = slowest(&refused);
    let again = writes.iter().filter(|one| one.is_done());
    let again = again.map(|one| one.at + one.took).find(|at| *at > back);
    let (detected, again) = (detected - from, again.expect("a write") - back);
    println!(
        "primary {what}: detected after {detected:?}, {} writes refused, 99 % of them within \
         {slowest:?}, back {again:?} after its return",
        refused.len()
    );
    assert!(detected < Duration::from_secs(1), "{what}: {detected:?}");
    assert!(slowest < Duration::from_millis(50), "{what}: {slowest:?}");
    assert!(again < Duration::from_secs(2), "{what}: {again:?}");
}

/// Nobody notices that the standby is away, but for who asked it then.
async fn without_standby(server: &Server, load: &Load, standby: &Database, hangs: bool) {
    let (what, from) = (if hangs { "hung" } else { "killed" }, Instant::now());
    if hangs {
        standby.pause().await.unwrap();
    } else {
        standby.kill().await.unwrap();
    }
    until("missed", || is_away(server, "replica-0", true)).await;
    let detected = from.elapsed();
    sleep(OUTAGE).await;
    if hangs {
        standby.resume().await.unwrap();
    } else {
        standby.start().await.unwrap();
    }
    let back = Instant::now();
    until("back", || is_away(server, "replica-0", false)).await;
    let back = back.elapsed();
    let seen = load.since(from);
    let failed = seen.iter().find(|one| !one.is_done());
    assert!(failed.is_none(), "standby {what}: {failed:?}");
    let longest = seen.iter().map(|one| one.took).max().unwrap();
    println!(
        "standby {what}: detected after {detected:?}, {} requests, none failed, the longest took \
         {longest:?}, back {back:?} after its return",
        seen.len()
    );
    // Seen from outside, by asking for the metrics again and again.
    for time in [detected, longest, back] {
        assert!(time < Duration::from_secs(2), "standby {what}: {time:?}");
    }
    // Time to catch up: the next to go is the primary.
    sleep(Duration::from_secs(2)).await;
}

async fn without_primary(load: &Load, primary: &Database, hangs: bool) {
    let (what, from) = (if hangs { "hung" } else { "killed" }, Instant::now());
    if hangs {
        primary.pause().await.unwrap();
    } else {
        primary.kill().await.unwrap();
    }
    sleep(OUTAGE).await;
    let back = if hangs {
        let back = Instant::now();
        primary.resume().await.unwrap();
        back
    } else {
        // It recovers, and takes connections again when this returns.
        primary.start().await.unwrap();
        Instant::now()
    };
    sleep(Duration::from_secs(3)).await;
    check_primary(what, load, from, back);
    let since = load.writes_since(back + Duration::from_secs(2));
    let failed = since.iter().find(|one| !one.is_done());
    assert!(failed.is_none(), "primary {what}: {failed:?}");
}

#[tokio::test]
async fn reads_go_on_and_writes_are_refused_at_once_while_a_server_is_away() {
    let postgres = Postgres::builder().standbys(1).start().await.unwrap();
    let (primary, standby) = (postgres.primary(), &postgres.standbys()[0]);
    let server = Arc::new(Server::start(&[
        ("DATABASE_URL", &primary.url()),
        ("DATABASE_READ_REPLICAS", &standby.url()),
    ]));
    ready(&server).await;
    postgres.caught_up().await.unwrap();
    let load = Load::start(&server, READERS + WRITERS, |server, n, _| once(server, n));
    let began = Instant::now();
    until("there is load", || load.since(began).len() > 100).await;

    without_standby(&server, &load, standby, false).await;
    without_standby(&server, &load, standby, true).await;
    without_primary(&load, primary, true).await;
    without_primary(&load, primary, false).await;

    let seen = load.end();
    let (reads, writes): (Vec<_>, Vec<_>) = seen.into_iter().partition(|one| one.is_read);
    let failed = reads.iter().find(|one| !one.is_done());
    assert!(failed.is_none(), "of {} reads: {failed:?}", reads.len());
    // Under way when the primary went, nobody knows whether one that must not be done twice was
    // done: at most one of each client, each time.
    let wrong = writes
        .iter()
        .filter(|one| !one.is_done() && !one.is_refused);
    let wrong: Vec<_> = wrong.map(|one| (one.status, &one.body)).collect();
    assert!(
        wrong.len() <= 2 * WRITERS,
        "of {} writes: {wrong:?}",
        writes.len()
    );
    println!(
        "{} reads, none failed, 99 % within {:?}; {} writes, unknown: {}",
        reads.len(),
        slowest(&reads),
        writes.len(),
        wrong.len()
    );
}
