use std::time::Duration;

use tokio::time::{Instant, timeout};
use towerblock_core::{Stats as _, Value};
use towerblock_redis::{Call, Heard, Redis, Settings, Subscription};
use towerblock_testkit::{self as testkit, Proxy};

use crate::load::print;
use crate::{LONG, connect, start, until};

async fn next(subscription: &mut Subscription) -> Option<Heard> {
    timeout(LONG, subscription.next()).await.unwrap()
}

fn message(text: &'static str) -> Option<Heard> {
    Some(Heard::Message(text.into()))
}

/// Until this one comes; whether there was a gap before.
async fn until_heard(subscription: &mut Subscription, text: &'static str) -> bool {
    let mut gap = false;
    loop {
        let heard = next(subscription).await;
        if heard == message(text) {
            return gap;
        }
        gap |= heard == Some(Heard::Gap);
    }
}

/// How often something may have been missed.
fn gaps(redis: &Redis) -> u64 {
    let mut gaps = 0;
    redis.read(&mut |metric, _, value| {
        if let ("redis_gaps", Value::Count(count)) = (metric.name, value) {
            gaps = count;
        }
    });
    gaps
}

async fn kill_subscribers(redis: &Redis) {
    let kill = Call::read("CLIENT").arg("KILL").arg("TYPE").arg("pubsub");
    redis.call(kill).await.unwrap();
}

#[tokio::test]
async fn every_subscription_begins_with_a_gap_and_misses_nothing_after() {
    let (_server, redis) = start().await;
    let mut first = redis.subscribe("news");
    assert_eq!(next(&mut first).await, Some(Heard::Gap));
    assert!(redis.watch().borrow().subscribed);
    assert_eq!(redis.publish("news", "one".into()).await.unwrap(), 1);
    assert_eq!(next(&mut first).await, message("one"));

    // A second one to the same channel, and one to another.
    let mut second = redis.subscribe("news");
    let mut other = redis.subscribe("other");
    assert_eq!(next(&mut second).await, Some(Heard::Gap));
    assert_eq!(next(&mut other).await, Some(Heard::Gap));
    redis.publish("news", "two".into()).await.unwrap();
    redis.publish("other", "three".into()).await.unwrap();
    assert_eq!(next(&mut first).await, message("two"));
    assert_eq!(next(&mut second).await, message("two"));
    assert_eq!(next(&mut other).await, message("three"));
}

#[tokio::test]
async fn a_channel_that_nobody_listens_to_is_given_up() {
    let (_server, redis) = start().await;
    let mut kept = redis.subscribe("kept");
    let mut dropped = redis.subscribe("dropped");
    assert_eq!(next(&mut kept).await, Some(Heard::Gap));
    assert_eq!(next(&mut dropped).await, Some(Heard::Gap));
    drop(dropped);
    let given_up = async {
        while redis.publish("dropped", "x".into()).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, given_up).await.unwrap();
    assert_eq!(redis.publish("kept", "y".into()).await.unwrap(), 1);
    assert_eq!(next(&mut kept).await, message("y"));
}

#[tokio::test]
async fn a_heartbeat_that_was_late_is_no_gap() {
    let (server, redis) = start().await;
    let mut news = redis.subscribe("news");
    assert_eq!(next(&mut news).await, Some(Heard::Gap));
    server.pause().await.unwrap();
    until(&redis, |status| !status.subscribed && !status.reads).await;
    server.resume().await.unwrap();
    until(&redis, |status| status.subscribed && status.reads).await;
    redis.publish("news", "two".into()).await.unwrap();
    assert_eq!(next(&mut news).await, message("two"));
}

#[tokio::test]
async fn a_killed_subscriber_says_that_it_may_have_missed_something() {
    let (_server, redis) = start().await;
    let mut news = redis.subscribe("news");
    assert_eq!(next(&mut news).await, Some(Heard::Gap));
    let killed = Instant::now();
    kill_subscribers(&redis).await;
    redis.publish("news", "missed".into()).await.unwrap();
    until(&redis, |status| !status.subscribed).await;
    assert!(
        redis.watch().borrow().reads,
        "calls have connections of their own"
    );
    assert_eq!(next(&mut news).await, Some(Heard::Gap));
    let took = killed.elapsed();
    print(
        "CLIENT KILL TYPE pubsub",
        &format!("heard again in {} ms", took.as_millis()),
        "1,000 ms",
    );
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    redis.publish("news", "heard".into()).await.unwrap();
    assert_eq!(next(&mut news).await, message("heard"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_nothing_comes_through_is_found() {
    let server = testkit::Redis::builder().start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let redis = connect(&format!("redis://{}", proxy.addr())).await;
    let mut news = redis.subscribe("news");
    assert_eq!(next(&mut news).await, Some(Heard::Gap));
    // What is sent now is lost, for good.
    proxy.drop_bytes(testkit::Direction::Both);
    let missed = async {
        while gaps(&redis) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, missed).await.unwrap();
    proxy.heal().await;
    let healed = Instant::now();
    assert_eq!(next(&mut news).await, Some(Heard::Gap));
    let took = healed.elapsed();
    print(
        "partition of a subscription",
        &format!("heard again in {} ms", took.as_millis()),
        "3,000 ms",
    );
    assert!(took < Duration::from_secs(4), "{took:?}");
    redis.publish("news", "heard".into()).await.unwrap();
    assert_eq!(next(&mut news).await, message("heard"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_costs_messages_and_nothing_else() {
    let (server, redis) = start().await;
    let mut idle = redis.subscribe("flood");
    let mut busy = redis.subscribe("flood");
    assert_eq!(next(&mut idle).await, Some(Heard::Gap));
    assert_eq!(next(&mut busy).await, Some(Heard::Gap));
    let counts = tokio::spawn(async move {
        let (mut messages, mut gaps) = (0, 0);
        loop {
            match next(&mut busy).await {
                Some(Heard::Message(text)) if text == "end" => return (messages, gaps),
                Some(Heard::Message(_)) => messages += 1,
                Some(Heard::Gap) => gaps += 1,
                None => panic!("ended"),
            }
        }
    });
    let patient = Settings::from_url(&server.url()).unwrap().timeout(LONG);
    let flood = Redis::connect(patient);
    until(&flood, |status| status.reads).await;
    for _ in 0..200 {
        let calls = (0..500).map(|n| Call::read("PUBLISH").arg("flood").number(n));
        flood.all(calls).await.unwrap();
    }
    flood.publish("flood", "end".into()).await.unwrap();
    let (messages, gaps) = counts.await.unwrap();
    print(
        "100,000 messages",
        &format!("{messages} heard, {gaps} gaps"),
        "no end",
    );
    assert!(messages == 100_000 || gaps > 0, "{messages} and no gap");

    // Whoever did not listen has the last of them, and knows.
    let mut kept = 0;
    assert_eq!(next(&mut idle).await, Some(Heard::Gap));
    loop {
        match next(&mut idle).await {
            Some(Heard::Message(text)) if text == "end" => break,
            _ => kept += 1,
        }
    }
    assert!(kept <= 4_096, "{kept}");
    redis.publish("flood", "after".into()).await.unwrap();
    until_heard(&mut idle, "after").await;
}

#[tokio::test]
async fn a_subscription_may_come_before_the_server() {
    let server = testkit::Redis::builder().start().await.unwrap();
    server.kill().await.unwrap();
    let settings = Settings::from_url(&server.url()).unwrap();
    let redis = Redis::connect(settings);
    let mut news = redis.subscribe("news");
    server.start().await.unwrap();
    assert_eq!(next(&mut news).await, Some(Heard::Gap));
    redis.publish("news", "one".into()).await.unwrap();
    assert!(!until_heard(&mut news, "one").await);
}
