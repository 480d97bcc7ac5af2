use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;
use towerblock_cache::{Hub, Policy, Settings};
use towerblock_core::BoxError;
use towerblock_testkit::{Direction, Postgres, Proxy, Redis};

use crate::support::{
    Calls, EVERY, Instance, TABLE, connect, database, id, notes, others, outbox, until,
};

/// Redis, told of what was committed, tells the others; while it is away they find it themselves.
#[tokio::test]
async fn redis_is_told_and_while_it_is_away_the_others_find_it() {
    let (postgres, client) = database().await;
    let redis = Redis::builder().start().await.unwrap();
    let url = postgres.primary().url();
    let a = Instance::sharing(&url, &redis.url(), outbox())
        .ready()
        .await;
    let b = Instance::sharing(&url, &redis.url(), outbox())
        .ready()
        .await;
    a.put("acme", "1").await;
    // From Redis.
    assert_eq!(b.get("acme", "1").await, "old");
    a.note(&client, "acme", "1").await;
    until(async || b.get("acme", "1").await == "new").await;
    until(async || a.get("acme", "1").await == "new").await;
    until(async || notes(&client).await == (1, 0)).await;
    assert_eq!(
        a.count("cache_outbox_told") + b.count("cache_outbox_told"),
        1
    );

    redis.pause().await.unwrap();
    a.cache.put(&id("acme"), "2", "old".to_owned()).await;
    b.cache.put(&id("acme"), "2", "old".to_owned()).await;
    a.note(&client, "acme", "2").await;
    let took = until(async || b.get("acme", "2").await == "new").await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    until(async || a.get("acme", "2").await == "new").await;
    assert_eq!(notes(&client).await, (2, 1));

    redis.resume().await.unwrap();
    until(async || notes(&client).await == (2, 0)).await;
    assert_eq!(
        (a.get("acme", "2").await, b.get("acme", "2").await),
        ("new".into(), "new".into())
    );
}

/// An instance that does not hear the others finds what they have told Redis.
#[tokio::test]
async fn an_instance_that_is_deaf_finds_what_others_told() {
    let (postgres, client) = database().await;
    let redis = Redis::builder().start().await.unwrap();
    let proxy = Proxy::start(redis.addr()).await.unwrap();
    let url = postgres.primary().url();
    let a = Instance::sharing(&url, &redis.url(), outbox())
        .ready()
        .await;
    let through = redis
        .url()
        .replace(&redis.addr().to_string(), &proxy.addr().to_string());
    let b = Instance::sharing(&url, &through, outbox()).ready().await;
    proxy.refuse().await;
    proxy.reset().await;
    let mut status = b.redis.as_ref().unwrap().watch();
    status
        .wait_for(|status| !status.subscribed && !status.reads)
        .await
        .unwrap();
    b.put("acme", "1").await;
    assert!(b.peek("acme", "1").is_some());
    a.note(&client, "acme", "1").await;
    until(async || b.peek("acme", "1").is_none()).await;
    until(async || notes(&client).await == (1, 0)).await;
    // What it had again before Redis was told is forgotten with that.
    b.put("acme", "1").await;
    let told = format!("UPDATE {TABLE} SET xid = pg_current_xact_id()");
    client.batch_execute(&told).await.unwrap();
    until(async || b.peek("acme", "1").is_none()).await;
}

/// However long that is.
#[tokio::test]
async fn what_redis_was_not_told_is_kept_until_it_is() {
    let (postgres, client) = database().await;
    let redis = Redis::builder().start().await.unwrap();
    let url = postgres.primary().url();
    let brief = outbox().keep(4 * EVERY);
    let a = Instance::sharing(&url, &redis.url(), brief).ready().await;
    redis.pause().await.unwrap();
    a.note(&client, "acme", "1").await;
    sleep(30 * EVERY).await;
    assert_eq!(notes(&client).await, (1, 1));
    redis.resume().await.unwrap();
    until(async || notes(&client).await == (0, 0)).await;
    assert_eq!(a.count("cache_outbox_told"), 1);

    // Somebody else is at it.
    let note = format!(
        "INSERT INTO {TABLE} (forget, tried) VALUES ('0', clock_timestamp() + interval '1 hour')"
    );
    client.batch_execute(&note).await.unwrap();
    sleep(10 * EVERY).await;
    assert_eq!(a.count("cache_outbox_told"), 1);
    let gone = format!("UPDATE {TABLE} SET tried = clock_timestamp() - interval '1 second'");
    client.batch_execute(&gone).await.unwrap();
    until(async || a.count("cache_outbox_told") == 2).await;
}

/// Another server is in its place, or a backup, which has come less far.
#[tokio::test]
async fn a_database_that_is_put_back_is_noticed() {
    let (before, client) = database().await;
    let (after, _) = database().await;
    for _ in 0..1_000 {
        let take_a_number = "SELECT pg_current_xact_id()";
        client.batch_execute(take_a_number).await.unwrap();
    }
    let url = Arc::new(Mutex::new(before.primary().url()));
    let there = Arc::clone(&url);
    let hub = Hub::start(Settings::memory(1 << 20)).unwrap();
    let a = Instance::of(hub, outbox(), move || there.lock().unwrap().clone());
    let a = a.ready().await;
    a.put("acme", "1").await;
    *url.lock().unwrap() = after.primary().url();
    before.primary().kill().await.unwrap();
    until(async || a.peek("acme", "1").is_none()).await;
}

/// It gives out the numbers again that were lost with the primary.
#[tokio::test]
async fn a_standby_that_was_promoted_has_another_history() {
    let postgres = Postgres::builder().standbys(1).start().await.unwrap();
    let client = connect(&postgres.primary().url()).await.unwrap();
    outbox().create(&client).await.unwrap();
    postgres.caught_up().await.unwrap();
    let url = Arc::new(Mutex::new(postgres.primary().url()));
    let there = Arc::clone(&url);
    let hub = Hub::start(Settings::memory(1 << 20)).unwrap();
    let a = Instance::of(hub, outbox(), move || there.lock().unwrap().clone());
    let a = a.ready().await;
    postgres.primary().kill().await.unwrap();
    let standby = &postgres.standbys()[0];
    standby.promote().await.unwrap();
    let take_a_number = "SELECT pg_current_xact_id()";
    for _ in 0..100 {
        standby.sql(take_a_number).await.unwrap();
    }
    a.put("acme", "1").await;
    *url.lock().unwrap() = standby.url();
    until(async || a.peek("acme", "1").is_none()).await;
}

/// What was loaded from a replica a moment after the commit may be what was there before.
#[tokio::test]
async fn what_is_loaded_from_a_replica_that_lags_is_forgotten_again() {
    let (postgres, client) = database().await;
    let redis = Redis::builder().start().await.unwrap();
    let url = postgres.primary().url();
    let lagging = outbox().replica_lag(10 * EVERY);
    let a = Instance::sharing(&url, &redis.url(), lagging.clone())
        .ready()
        .await;
    let b = Instance::sharing(&url, &redis.url(), lagging).ready().await;
    for instance in [&a, &b] {
        instance.put("acme", "1").await;
    }
    a.note(&client, "acme", "1").await;
    until(async || a.peek("acme", "1").is_none() && b.peek("acme", "1").is_none()).await;
    until(async || notes(&client).await == (1, 0)).await;
    // Each time one puts it the other forgets it: once more is enough.
    a.put("acme", "1").await;
    assert_eq!(b.get("acme", "1").await, "old");
    until(async || a.get("acme", "1").await == "new" && b.get("acme", "1").await == "new").await;
}

#[tokio::test]
async fn what_is_noted_again_and_again_is_forgotten_again_once() {
    let (postgres, client) = database().await;
    let redis = Redis::builder().start().await.unwrap();
    let url = postgres.primary().url();
    let lagging = outbox().replica_lag(10 * EVERY);
    let a = Instance::sharing(&url, &redis.url(), lagging).ready().await;
    let before = a.calls();
    client.batch_execute(&others(400)).await.unwrap();
    a.note(&client, "acme", "1").await;
    // Each is seen once more when it is told.
    until(async || a.count("cache_outbox_seen") == 802).await;
    until(async || a.calls() - before > 401).await;
    // Twice as long as until each is forgotten again.
    sleep(20 * EVERY).await;
    let calls = a.calls() - before;
    assert!((401..600).contains(&calls), "{calls} calls of Redis");
}

#[tokio::test]
async fn a_redis_that_is_slow_is_told_all_the_same() {
    let (postgres, client) = database().await;
    let redis = Redis::builder().start().await.unwrap();
    let proxy = Proxy::start(redis.addr()).await.unwrap();
    let url = postgres.primary().url();
    let through = redis
        .url()
        .replace(&redis.addr().to_string(), &proxy.addr().to_string());
    let brief = outbox().keep(20 * EVERY);
    let a = Instance::sharing(&url, &through, brief).ready().await;
    // More than can be told in the time of a round.
    proxy.delay(Duration::from_millis(5));
    client.batch_execute(&others(200)).await.unwrap();
    until(async || a.count("cache_outbox_told") == 200).await;
}

#[tokio::test]
async fn who_could_not_look_for_too_long_looks_all_up_again() {
    let (postgres, client) = database().await;
    let proxy = Proxy::start(postgres.primary().addr()).await.unwrap();
    let direct = postgres.primary().url();
    let through = direct.replace(
        &postgres.primary().addr().to_string(),
        &proxy.addr().to_string(),
    );
    let a = Instance::alone(&through, outbox().keep(4 * EVERY))
        .ready()
        .await;
    a.put("acme", "1").await;
    a.put("acme", "2").await;
    let errors = a.count("cache_outbox_errors");
    proxy.drop_bytes(Direction::Both);
    until(async || a.count("cache_outbox_errors") > errors).await;
    assert!(a.relay.last_error().is_some());
    a.note(&client, "acme", "1").await;
    sleep(8 * EVERY).await;
    client
        .batch_execute(&format!("DELETE FROM {TABLE}"))
        .await
        .unwrap();
    // It goes on with what it has, as long as it does not know better.
    assert!(a.peek("acme", "1").is_some());
    proxy.heal().await;
    until(async || a.peek("acme", "1").is_none()).await;
    assert_eq!(a.get("acme", "1").await, "new");
    assert_eq!(a.get("acme", "2").await, "new");
    until(async || a.relay.last_error().is_none()).await;
}

#[tokio::test]
async fn too_many_at_once_and_what_nobody_can_read_are_all() {
    let (postgres, client) = database().await;
    let url = postgres.primary().url();
    let a = Instance::alone(&url, outbox()).ready().await;
    a.put("acme", "1").await;
    client.batch_execute(&others(10_000)).await.unwrap();
    until(async || a.count("cache_outbox_seen") == 10_000).await;
    assert!(a.peek("acme", "1").is_some());
    client.batch_execute(&others(10_001)).await.unwrap();
    until(async || a.peek("acme", "1").is_none()).await;

    a.put("acme", "1").await;
    let unknown = format!("INSERT INTO {TABLE} (forget) VALUES ('{{\"planet\": {{}}}}')");
    client.batch_execute(&unknown).await.unwrap();
    until(async || a.peek("acme", "1").is_none()).await;
}

/// One that hangs is dropped, and the next is asked for.
#[tokio::test]
async fn a_client_that_hangs_or_fails_does_not_end_the_relay() {
    let (postgres, client) = database().await;
    let url = postgres.primary().url();
    let hub = Hub::start(Settings::memory(1 << 20)).unwrap();
    let policy = Policy::ttl(Duration::from_secs(600));
    let cache = hub.cache::<u64, u64>("things", policy).unwrap();
    let calls = Calls::default();
    let yields = {
        let calls = calls.clone();
        move || {
            let (nth, url) = (calls.add(), url.clone());
            async move {
                match nth {
                    0 => Err(BoxError::from("none left")),
                    1 => std::future::pending().await,
                    _ => Ok(Box::new(connect(&url).await?)),
                }
            }
        }
    };
    let relay = hub.relay(outbox().keep(4 * EVERY), yields).unwrap();
    until(async || relay.last_error().is_some_and(|error| error == "none left")).await;
    until(async || {
        relay
            .last_error()
            .is_some_and(|error| error.contains("elapsed"))
    })
    .await;
    until(async || relay.last_error().is_none()).await;
    cache.put(&id("acme"), &1, 1).await;
    cache.invalidate_in(&client, &id("acme"), &1).await.unwrap();
    until(async || cache.peek(&id("acme"), &1).is_none()).await;

    // It ends with its handle, and others find what is noted then.
    drop(relay);
    until(async || {
        let before = calls.add();
        sleep(3 * EVERY).await;
        calls.add() == before + 1
    })
    .await;
    cache.invalidate_in(&client, &id("acme"), &1).await.unwrap();
}
