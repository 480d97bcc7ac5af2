//! Lines that break, stall and trickle.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use towerblock_postgres::{Cluster, Error, Limits, Servers, Settings};
use towerblock_testkit::{Direction, Postgres, Proxy};

use crate::relay::Relay;
use crate::stopwatch::Stopwatch;
use crate::told::{add, holds, table};
use crate::{budget, schema, set_up, through, until};

const OWNER: &str = "SELECT owner FROM items";
const LIMIT: Duration = Duration::from_millis(250);
/// The promise for every call, whatever happens: no longer than its deadline and this.
const SLACK: Duration = Duration::from_millis(100);

async fn behind(proxy: &Proxy, postgres: &Postgres, size: usize) -> Cluster {
    set_up(postgres, 1).await;
    let url = through(postgres.primary(), proxy.addr());
    Cluster::start(Servers::new(&url).unwrap(), Settings::new(budget(size)))
}

/// A read, a write and a transaction at once; none takes longer than it may.
async fn each_in_time(cluster: &Cluster, what: &str) -> Vec<Result<(), Error>> {
    let one = schema(1);
    let (start, watch) = (Instant::now(), Stopwatch::start());
    let timed = async |name: &str, work: &mut (dyn Future<Output = Result<(), Error>> + Unpin)| {
        let outcome = work.await;
        let took = watch.elapsed();
        assert!(took < LIMIT + SLACK, "{what}, {name}: {took:?}");
        outcome
    };
    let before = start + LIMIT;
    let read = async {
        let read = cluster.read(&one).before(before);
        read.query("read", OWNER, &[]).await.map(drop)
    };
    let write = async {
        let write = cluster.write(&one).before(before);
        let touch = "UPDATE items SET owner = owner";
        write.execute("write", touch, &[]).await.map(drop)
    };
    let both = async {
        let write = cluster.write(&one).before(before);
        let work = write.transaction("both", async |tx| {
            tx.query(OWNER, &[]).await?;
            tx.query(OWNER, &[]).await.map(drop)
        });
        work.await
    };
    let dedicated = async {
        let limited = tokio::time::timeout(LIMIT, cluster.dedicated("own", &one));
        limited.await.map_or(Ok(()), |outcome| outcome.map(drop))
    };
    let (read, write, both, dedicated) = (
        std::pin::pin!(read),
        std::pin::pin!(write),
        std::pin::pin!(both),
        std::pin::pin!(dedicated),
    );
    let (mut read, mut write, mut both, mut dedicated) = (read, write, both, dedicated);
    let outcomes = tokio::join!(
        timed("read", &mut read),
        timed("write", &mut write),
        timed("both", &mut both),
        timed("dedicated", &mut dedicated),
    );
    vec![outcomes.0, outcomes.1, outcomes.2, outcomes.3]
}

#[tokio::test]
async fn no_call_takes_longer_than_its_deadline_whatever_the_network_does() {
    let postgres = Postgres::builder().start().await.unwrap();
    let proxy = Proxy::start(postgres.primary().addr()).await.unwrap();
    let cluster = behind(&proxy, &postgres, 4).await;
    let ends = async |what: &str| {
        let failed = each_in_time(&cluster, what).await;
        assert!(failed[..3].iter().any(Result::is_err), "{what}");
        proxy.heal().await;
        let back = until(Duration::from_secs(4), async || {
            let all = each_in_time(&cluster, "healed").await;
            all.iter().all(Result::is_ok)
        });
        println!("{what}: well again after {:?}", back.await);
    };
    let warm = async || {
        // What is left of the last fault may have the server be away once more for a moment.
        until(Duration::from_secs(4), async || {
            let warm = each_in_time(&cluster, "warm").await;
            warm.iter().all(Result::is_ok)
        })
        .await;
    };
    for direction in [Direction::ToServer, Direction::ToClient] {
        warm().await;
        proxy.half_open(direction);
        ends(&format!("half open {direction:?}")).await;
    }
    warm().await;
    proxy.drop_bytes(Direction::Both);
    ends("lost").await;
    warm().await;
    // A byte at a time.
    proxy.throttle(20);
    ends("a trickle").await;
    warm().await;
    proxy.refuse().await;
    proxy.reset().await;
    ends("refused").await;
}

#[tokio::test]
async fn a_server_that_is_slow_to_answer_the_door_is_waited_for_as_long_as_there_is_time() {
    let postgres = Postgres::builder().start().await.unwrap();
    set_up(&postgres, 1).await;
    let slow = Relay::slow(postgres.primary().addr(), 2 * LIMIT).await;
    let url = through(postgres.primary(), slow.addr);
    let mut limits = Limits::default();
    limits.acquire = 4 * LIMIT;
    let settings = Settings::new(budget(2)).limits(limits);
    let cluster = Cluster::start(Servers::new(&url).unwrap(), settings);
    let late = each_in_time(&cluster, "slow").await;
    assert!(late[..3].iter().all(Result::is_err));
    let one = schema(1);
    let start = Stopwatch::start();
    let reads = (0..20).map(|_| cluster.read(&one).query("read", OWNER, &[]));
    for rows in join_all(reads).await {
        assert_eq!(rows.unwrap().len(), 1);
    }
    assert!(start.elapsed() < 4 * LIMIT);
    // Those of the pool, one to ask how it is, and that of a question that gave up.
    assert!(slow.count() <= 5, "{}", slow.count());
}

/// What was answered was done, what was refused was not, and nothing was done twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_write_over_a_line_that_breaks_is_done_or_not_as_its_answer_says() {
    const LONG: Duration = Duration::from_secs(3);
    let postgres = Postgres::builder().start().await.unwrap();
    let proxy = Proxy::start(postgres.primary().addr()).await.unwrap();
    let cluster = behind(&proxy, &postgres, 4).await;
    table(postgres.primary()).await;
    let (end, cluster) = (Instant::now() + LONG, Arc::new(cluster));
    let mut workers = JoinSet::new();
    for worker in 0..6_i64 {
        let cluster = Arc::clone(&cluster);
        workers.spawn(async move {
            let mut told = Vec::new();
            let mut n = worker * 1_000_000;
            while Instant::now() < end {
                n += 1;
                let outcome = add(&cluster, n, n % 2 == 0, Instant::now() + LIMIT).await;
                if outcome.is_err() {
                    sleep(Duration::from_millis(3)).await;
                }
                told.push((n, outcome));
            }
            told
        });
    }
    break_often(&proxy, end).await;
    let told: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    let told = holds(postgres.primary(), &told).await;
    println!("{told:?}");
    assert!(told.fine > 20 && told.unknown > 0 && told.refused > 10);
}

async fn break_often(proxy: &Proxy, end: Instant) {
    let mut kind = 0;
    while Instant::now() < end {
        sleep(Duration::from_millis(37)).await;
        kind += 1;
        match kind % 3 {
            0 => proxy.cut().await,
            1 => proxy.reset().await,
            _ => {
                // The primary is not said to be away for it: its probe has more patience.
                proxy.drop_bytes(Direction::ToClient);
                sleep(Duration::from_millis(20)).await;
                proxy.heal().await;
                sleep(LIMIT).await;
            }
        }
    }
}
