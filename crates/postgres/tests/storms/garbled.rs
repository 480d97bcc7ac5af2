//! Connections that end between any two messages, and servers that say what no server says.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use towerblock_postgres::{Cluster, Error, Limits, Servers, Settings};
use towerblock_testkit::Postgres;

use crate::meddler::{Meddler, Meddling};
use crate::stopwatch::Stopwatch;
use crate::told::{add, done, holds, table};
use crate::{alone, budget, known, schema, set_up, through, until};

const OWNER: &str = "SELECT owner FROM items";
const LIMIT: Duration = Duration::from_millis(500);
const SLACK: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_secs(10);

async fn behind(postgres: &Postgres, meddler: &Meddler) -> Cluster {
    let url = through(postgres.primary(), meddler.addr) + "?sslmode=disable";
    let mut limits = Limits::default();
    limits.connect = LIMIT / 2;
    let settings = Settings::new(budget(1)).limits(limits);
    let cluster = Cluster::start(Servers::new(&url).unwrap(), settings);
    known(&cluster).await;
    until(SOON, async || read(&cluster).await.is_ok()).await;
    cluster
}

async fn read(cluster: &Cluster) -> Result<i64, Error> {
    let one = schema(1);
    let read = cluster.read(&one).before(Instant::now() + LIMIT);
    Ok(read.query("read", OWNER, &[]).await?[0].get(0))
}

async fn add_soon(cluster: &Cluster, n: i64, alone: bool) -> Result<(), Error> {
    add(cluster, n, alone, Instant::now() + LIMIT).await
}

/// From the first message of the server's, to a connection that is opened, to the last that
/// answers the commit.
#[tokio::test]
async fn a_write_cut_off_at_any_message_is_done_or_not_as_its_answer_says() {
    let _alone = alone().await;
    let postgres = Postgres::builder().start().await.unwrap();
    let meddler = Meddler::start(postgres.primary().addr()).await;
    set_up(&postgres, 1).await;
    table(postgres.primary()).await;
    let cluster = behind(&postgres, &meddler).await;
    let (mut told, mut n) = (Vec::new(), 0);
    // The second kind finds a connection.
    for is_new in [true, false] {
        let mut messages = 0;
        loop {
            until(SOON, async || read(&cluster).await.is_ok()).await;
            if is_new {
                meddler.hang_up().await;
            }
            n += 1;
            meddler.after(messages, Meddling::Cut);
            let start = Stopwatch::start();
            let outcome = add_soon(&cluster, n, is_new).await;
            let (took, is_fine) = (start.elapsed(), outcome.is_ok());
            assert!(took < LIMIT + SLACK, "{took:?} after {messages} messages");
            told.push((n, outcome));
            if meddler.has_meddled() {
                // Of the settings that it tells, one after the other, a few will do.
                messages += if is_new && messages < 15 { 3 } else { 1 };
            } else if is_fine {
                break;
            }
        }
        // It greets, says what it is set to, and answers what binds, does and ends.
        let least = if is_new { 20 } else { 6 };
        assert!((least..60).contains(&messages), "{messages} messages");
    }
    let told = holds(postgres.primary(), &told).await;
    assert!(
        told.fine > 5 && told.unknown > 5 && told.refused > 5,
        "{told:?}"
    );
}

#[tokio::test]
async fn garbage_is_no_answer_and_ends_its_connection() {
    let _alone = alone().await;
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    table(postgres.primary()).await;
    let all = [
        ("zeroes", vec![0; 64]),
        ("no_kind", b"~\0\0\0\x04".to_vec()),
        ("no_length", b"D\xff\xff\xff\xff".to_vec()),
        ("torn", b"E\0\0\0\x06XX".to_vec()),
        ("too_early", b"Z\0\0\0\x05I".to_vec()),
        ("two_gigabytes", b"D\x7f\xff\xff\xff".to_vec()),
        ("http", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
    ];
    let postgres = &postgres;
    join_all(
        (1..)
            .zip(all)
            .map(async |(n, (name, bytes))| hears(postgres, n, name, bytes).await),
    )
    .await;
}

async fn hears(postgres: &Postgres, n: i64, name: &str, bytes: Vec<u8>) {
    let meddler = Meddler::start(postgres.primary().addr()).await;
    let cluster = behind(postgres, &meddler).await;
    // To who connects, and to who asks.
    for is_new in [true, false] {
        let add_again = async |n| add_soon(&cluster, n, true).await;
        until(SOON, async || add_again(0).await.is_ok()).await;
        let prepare = async || {
            if is_new {
                meddler.hang_up().await;
            }
            meddler.after(0, Meddling::Say(bytes.clone()));
        };
        prepare().await;
        let n = 2 * n + i64::from(is_new);
        let start = Stopwatch::start();
        let outcome = add_again(n).await;
        let took = start.elapsed();
        assert!(took < LIMIT + SLACK, "{name}: {took:?}");
        assert!(meddler.has_meddled(), "{name}");
        let is_done = done(postgres.primary()).await.contains(&n);
        match outcome {
            Ok(()) => assert!(is_done, "{name}"),
            Err(error) if error.is_commit_unknown() => {}
            Err(error) => assert!(!is_done, "{name}: {error}"),
        }
        until(SOON, async || read(&cluster).await.is_ok()).await;
        prepare().await;
        let start = Stopwatch::start();
        let outcome = read(&cluster).await;
        let took = start.elapsed();
        assert!(took < LIMIT + SLACK, "{name}: {took:?}");
        match outcome {
            Ok(owner) => assert_eq!(owner, 1, "{name}"),
            Err(error) => assert!(error.rejected().is_some(), "{name}: {error}"),
        }
        until(SOON, async || read(&cluster).await.is_ok()).await;
        assert!(cluster.servers()[0].open <= 1);
    }
}
