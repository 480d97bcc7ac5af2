use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use towerblock_breaker::{Circuit, Registry, State};
use towerblock_redis::{Error, Heard, Redis, Settings};

use crate::{LONG, get, start, until};

/// Until no task is left on this runtime.
async fn all_end() {
    let ended = async {
        while Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, ended).await.unwrap();
}

#[tokio::test]
async fn close_ends_every_task_and_every_subscription() {
    let (server, redis) = start().await;
    let mut news = redis.subscribe("news");
    assert_eq!(news.next().await, Some(Heard::Gap));
    // Also while the server does not answer.
    server.pause().await.unwrap();
    let closing = Instant::now();
    redis.clone().close().await;
    all_end().await;
    assert!(
        closing.elapsed() < Duration::from_millis(500),
        "{:?}",
        closing.elapsed()
    );
    assert_eq!(timeout(LONG, news.next()).await.unwrap(), None);
    assert!(matches!(get(&redis, "key").await, Err(Error::Refused(_))));
    assert_eq!(
        timeout(LONG, redis.subscribe("late").next()).await.unwrap(),
        None
    );
    redis.close().await;
    server.resume().await.unwrap();
}

#[tokio::test]
async fn the_last_clone_takes_the_tasks_with_it() {
    let (_server, redis) = start().await;
    let clone = redis.clone();
    drop(redis);
    assert_eq!(get(&clone, "key").await.unwrap(), None);
    drop(clone);
    all_end().await;
}

#[tokio::test]
async fn what_stands_beside_has_gates_of_its_own() {
    let (_server, redis) = start().await;
    let limits = redis.beside("limits");
    until(&limits, |status| status.writes).await;
    let circuits = Registry::new();
    for circuit in redis.circuits().iter().chain(&limits.circuits()) {
        circuits.add(circuit);
    }
    let names: Vec<_> = circuits.list().iter().map(Circuit::name).collect();
    assert_eq!(
        names,
        ["limits.read", "limits.write", "redis.read", "redis.write"]
    );

    circuits.get("redis.read").unwrap().force_open();
    let Err(Error::Refused(rejected)) = get(&redis, "key").await else {
        panic!("forced open");
    };
    assert_eq!(rejected.by(), "redis.read");
    until(&redis, |status| !status.reads).await;
    assert_eq!(get(&limits, "key").await.unwrap(), None);
    circuits.get("redis.read").unwrap().release();
    until(&redis, |status| status.reads).await;
    assert_eq!(get(&redis, "key").await.unwrap(), None);
}

#[tokio::test]
async fn a_gate_that_is_forced_closed_lets_nobody_wait_for_nobody() {
    let (server, redis) = start().await;
    let [read, _] = redis.circuits();
    read.force_closed();
    server.kill().await.unwrap();
    until(&redis, |status| !status.reads).await;
    assert!(matches!(get(&redis, "key").await, Err(Error::Refused(_))));
    assert_eq!(read.state(), State::ForcedClosed);
}

fn sends<T: Send>(_: T) {}

#[test]
fn it_goes_where_a_service_goes() {
    fn is<T: Clone + Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    is::<Redis>();
    is::<Settings>();
    let call = |redis: &'static Redis| sends(get(redis, "key"));
    let _never: fn(&'static Redis) = call;
}
