use std::time::Duration;

use towerblock_core::{Stats, Value};
use towerblock_redis::{Call, Redis, Script};
use towerblock_testkit::at_every_poll;

use crate::{get, set, start, until};

fn in_flight(redis: &Redis) -> f64 {
    let mut found = f64::NAN;
    redis.read(&mut |metric, _, value| {
        if let ("redis_in_flight", Value::Level(level)) = (metric.name, value) {
            found = level;
        }
    });
    found
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    static ADD: Script = Script::write("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    let (_server, redis) = start().await;
    let redis = &redis;
    let check = async |polls: usize| {
        assert_eq!(in_flight(redis), 0.0, "after {polls} polls");
        assert_eq!(get(redis, "none").await.unwrap(), None);
    };
    at_every_poll(|| redis.call(Call::write("SET").arg("k").arg("v")), check)
        .await
        .unwrap();
    let pipeline = || redis.all((0..20).map(|n| Call::write("INCRBY").arg("n").number(n)));
    at_every_poll(pipeline, check).await.unwrap();
    at_every_poll(|| redis.run(&ADD, &["n"], &["1"]), check)
        .await
        .unwrap();
    at_every_poll(|| redis.publish("c", "m".into()), check)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_subscription_dropped_while_it_waits_misses_nothing() {
    let (_server, redis) = start().await;
    let mut subscription = redis.subscribe("news");
    until(&redis, |status| status.subscribed).await;
    assert_eq!(
        subscription.next().await,
        Some(towerblock_redis::Heard::Gap)
    );
    assert_eq!(
        towerblock_testkit::poll_times(1, subscription.next()).await,
        None
    );
    redis.publish("news", "one".into()).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(5), subscription.next())
        .await
        .unwrap();
    assert_eq!(heard, Some(towerblock_redis::Heard::Message("one".into())));
}

#[tokio::test]
async fn calls_given_up_at_once_do_not_open_a_gate() {
    let (_server, redis) = start().await;
    for _ in 0..200 {
        let call = redis.call(Call::read("GET").arg("k"));
        let _dropped = towerblock_testkit::poll_times(1, call).await;
    }
    set(&redis, "k", "v").await.unwrap();
    assert_eq!(get(&redis, "k").await.unwrap().as_deref(), Some("v"));
}
