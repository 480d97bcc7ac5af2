//! Replicas that are gone, or cannot be heard.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use towerblock_core::Reason;
use towerblock_postgres::{Cluster, Replicas, Servers, Settings};
use towerblock_testkit::{Direction, Proxy};

use crate::roles::{MOMENT, SOON, read, replay, scope, started, write};
use crate::stopwatch::Stopwatch;
use crate::{budget, cluster, known, through, until};

#[tokio::test]
async fn a_primary_without_replicas_takes_a_share_of_their_reads() {
    let postgres = started(1).await;
    let cluster = cluster(&postgres, 4);
    known(&cluster).await;
    let port = postgres.standbys()[0].port();
    until(SOON, async || read(&cluster, None).await.unwrap().1 == port).await;
    postgres.standbys()[0].kill().await.unwrap();
    until(SOON, async || cluster.servers()[1].is_away).await;
    let (mut served, mut refused, start) = (0, 0, Instant::now());
    for _ in 0..50 {
        for outcome in join_all((0..20).map(|_| read(&cluster, None))).await {
            match outcome {
                Ok((_, port)) => {
                    assert_eq!(port, postgres.primary().port());
                    served += 1;
                }
                Err(error) => {
                    let rejected = error.rejected().unwrap();
                    assert_eq!(rejected.reason(), Reason::Unavailable);
                    assert!(rejected.retry_after().is_some(), "{error}");
                    refused += 1;
                }
            }
        }
        // And it takes its writes meanwhile.
        write(&cluster, &scope()).await.unwrap();
    }
    // A fifth of a thousand, or fifty at once and ten in a second.
    let most = 210.0 + 10.0 * start.elapsed().as_secs_f64();
    assert!(f64::from(served) <= most && served >= 50, "{served}");
    assert_eq!(served + refused, 1_000);
}

#[tokio::test]
async fn a_replica_that_dies_is_not_noticed_while_there_is_another() {
    let postgres = started(2).await;
    let cluster = cluster(&postgres, 4);
    known(&cluster).await;
    let dies = &postgres.standbys()[1];
    let read_for = async |time: Duration| {
        let (mut ports, start) = (Vec::new(), Instant::now());
        while start.elapsed() < time {
            for outcome in join_all((0..8).map(|_| read(&cluster, None))).await {
                ports.push(outcome.unwrap().1);
            }
            sleep(Duration::from_millis(2)).await;
        }
        ports
    };
    for hangs in [false, true] {
        until(SOON, async || {
            read_for(Duration::from_millis(20))
                .await
                .contains(&dies.port())
        })
        .await;
        let end = async {
            sleep(MOMENT / 3).await;
            if hangs {
                dies.pause().await.unwrap();
            } else {
                dies.kill().await.unwrap();
            }
        };
        tokio::join!(read_for(4 * MOMENT), end);
        assert!(cluster.servers()[2].is_away);
        assert!(!read_for(MOMENT).await.contains(&dies.port()));
        if hangs {
            dies.resume().await.unwrap();
        } else {
            dies.start().await.unwrap();
        }
    }
}

/// A replica behind a line that stalls, between two looks at it.
#[tokio::test]
async fn a_read_does_not_wait_for_a_replica_that_cannot_say_whether_it_has_it() {
    let postgres = started(1).await;
    let standby = &postgres.standbys()[0];
    let proxy = Proxy::start(standby.addr()).await.unwrap();
    let url = through(standby, proxy.addr());
    let servers = Servers::new(&postgres.primary().url()).unwrap();
    let servers = servers.replica(&url).unwrap();
    let mut replicas = Replicas::default();
    replicas.max_lag = 100 * MOMENT;
    let settings = Settings::new(budget(4)).replicas(replicas);
    let cluster = Cluster::start(servers, settings);
    known(&cluster).await;
    until(SOON, async || {
        read(&cluster, None).await.unwrap().1 == standby.port()
    })
    .await;
    replay(standby, false).await;
    for written in 2..6 {
        let scope = scope();
        write(&cluster, &scope).await.unwrap();
        proxy.half_open(Direction::Both);
        let start = Stopwatch::start();
        let (count, port) = read(&cluster, Some(&scope)).await.unwrap();
        let took = start.elapsed();
        assert_eq!((count, port), (written, postgres.primary().port()));
        // It waits 30 ms for the replica to have it, and 100 ms for it to say so.
        assert!(took < MOMENT, "{took:?}");
        proxy.heal().await;
        until(SOON, async || !cluster.servers()[1].is_away).await;
    }
}
