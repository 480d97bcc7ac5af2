//! The server is there, and does not do what it should.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use towerblock_breaker::State;
use towerblock_redis::{Call, Class, Error, Redis, Script, Settings, Status};
use towerblock_testkit as testkit;

use crate::load::print;
use crate::{LONG, connect, get, set, start, until};

async fn config(redis: &Redis, name: &str, value: &str) {
    let call = Call::read("CONFIG").arg("SET").arg(name).arg(value);
    redis.call(call).await.unwrap();
}

/// Writes until the gate for them is open, and says what the server said.
async fn refuse_writes(redis: &Redis) -> String {
    let mut code = String::new();
    let refused = async {
        while redis.circuits()[1].state() == State::Closed {
            if let Err(error) = set(redis, "other", "value").await {
                assert_ne!(error.class(), Class::Data, "{error}");
                if let Some(said) = error.code() {
                    code = said.to_owned();
                }
            }
        }
    };
    timeout(LONG, refused).await.unwrap();
    until(redis, |status| !status.writes).await;
    code
}

fn says(code: &'static str) -> impl FnMut(&Status) -> bool {
    move |status| status.why.as_ref().is_some_and(|why| why.starts_with(code))
}

#[tokio::test]
async fn a_full_server_is_read_and_emptied() {
    let (_server, redis) = start().await;
    set(&redis, "key", "value").await.unwrap();
    config(&redis, "maxmemory", "1").await;
    assert_eq!(refuse_writes(&redis).await, "OOM");
    for _ in 0..20 {
        assert_eq!(get(&redis, "key").await.unwrap().as_deref(), Some("value"));
    }
    // What frees memory is no write, as far as the gates go.
    let gone = redis.call(Call::read("DEL").arg("key")).await.unwrap();
    assert_eq!(gone.integer(), Some(1));
    assert!(redis.watch().borrow().reads);
    config(&redis, "maxmemory", "0").await;
    until(&redis, |status| status.writes).await;
    set(&redis, "key", "again").await.unwrap();
}

#[tokio::test]
async fn a_replica_is_read_and_heals() {
    let (_server, redis) = start().await;
    set(&redis, "key", "value").await.unwrap();
    // Of nobody, so that its data stay.
    let replica_of = |host: &str, port: &str| Call::read("REPLICAOF").arg(host).arg(port);
    redis.call(replica_of("127.0.0.1", "1")).await.unwrap();
    assert_eq!(refuse_writes(&redis).await, "READONLY");
    assert_eq!(get(&redis, "key").await.unwrap().as_deref(), Some("value"));
    // Also one that was not connected yet.
    redis.call(replica_of("NO", "ONE")).await.unwrap();
    let healed = Instant::now();
    until(&redis, |status| status.writes).await;
    print(
        "REPLICAOF NO ONE",
        &format!("writes in {} ms", healed.elapsed().as_millis()),
        "2,000 ms",
    );
    set(&redis, "key", "again").await.unwrap();
}

#[tokio::test]
async fn a_changed_password_is_an_outage_until_it_is_changed_back() {
    let (server, redis) = start().await;
    let admin = connect(&server.url()).await;
    config(&admin, "requirepass", "other").await;
    let kill = Call::read("CLIENT").arg("KILL").arg("TYPE").arg("normal");
    admin.call(kill.arg("SKIPME").arg("yes")).await.unwrap();
    let status = until(&redis, says("NOAUTH")).await;
    assert!(!status.reads);
    assert!(matches!(get(&redis, "key").await, Err(Error::Refused(_))));

    let with = |password: &str| format!("redis://:{password}@{}", server.addr());
    let wrong = Redis::connect(Settings::from_url(&with("wrong")).unwrap());
    until(&wrong, says("WRONGPASS")).await;

    let right = connect(&with("other")).await;
    config(&right, "requirepass", "").await;
    until(&redis, |status| status.reads && status.writes).await;
}

#[tokio::test]
async fn who_may_run_no_scripts_may_still_read() {
    let (server, redis) = start().await;
    let rights = [
        "SETUSER", "app", "on", ">pass", "~*", "&*", "+@all", "-eval", "-evalsha",
    ];
    redis.call(Call::read("ACL").args(rights)).await.unwrap();
    let app = connect(&format!("redis://app:pass@{}", server.addr())).await;
    let script = Script::write("return 1");
    let error = app.run::<&str, &str>(&script, &[], &[]).await.unwrap_err();
    assert_eq!(
        (error.code(), error.class()),
        (Some("NOPERM"), Class::Outage)
    );
    for _ in 0..9 {
        let _nothing = app.run::<&str, &str>(&script, &[], &[]).await.unwrap_err();
    }
    // The gate that it passed, and no other.
    assert_eq!(
        app.circuits().map(|gate| gate.state()),
        [State::Closed, State::Open]
    );
    assert!(get(&app, "key").await.is_ok());
    redis
        .call(Call::read("ACL").args(["SETUSER", "app", "+@all"]))
        .await
        .unwrap();
    until(&app, |status| status.writes).await;
    assert_eq!(
        app.run::<&str, &str>(&script, &[], &[])
            .await
            .unwrap()
            .integer(),
        Some(1)
    );
}

#[tokio::test]
async fn a_server_that_loads_its_data_is_away() {
    let server = testkit::Redis::builder()
        .keep_data(true)
        .start()
        .await
        .unwrap();
    let redis = connect(&server.url()).await;
    for batch in 0..100 {
        let keys = (0..50).map(|n| Call::write("SET").arg(format!("k{batch}:{n}")).number(n));
        redis.all(keys).await.unwrap();
    }
    let epoch = redis.watch().borrow().epoch.clone();
    config(&redis, "key-load-delay", "100").await;
    redis
        .call(Call::read("CONFIG").arg("REWRITE"))
        .await
        .unwrap();
    server.kill().await.unwrap();
    until(&redis, |status| !status.reads).await;
    let errors = async {
        let mut started = std::pin::pin!(server.start());
        loop {
            tokio::select! {
                started = &mut started => break started.unwrap(),
                result = get(&redis, "k0:1") => {
                    if let Err(error) = result {
                        assert!(matches!(error.class(), Class::Refused | Class::Outage), "{error}");
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
    };
    timeout(LONG, errors).await.unwrap();
    let status = until(&redis, |status| status.reads).await;
    assert_eq!(get(&redis, "k99:49").await.unwrap().as_deref(), Some("49"));
    assert_eq!(status.epoch, epoch, "the data are the same");
}

#[tokio::test]
async fn lost_data_are_known_by_the_epoch() {
    let (server, redis) = start().await;
    let other = connect(&server.url()).await;
    let first = redis.watch().borrow().epoch.clone();
    assert!(first.is_some());
    assert_eq!(other.watch().borrow().epoch, first);

    redis.call(Call::write("FLUSHALL")).await.unwrap();
    let flushed = Instant::now();
    let second = until(&redis, |status| status.epoch != first).await.epoch;
    let took = flushed.elapsed();
    print(
        "FLUSHALL",
        &format!("known in {} ms", took.as_millis()),
        "5,000 ms",
    );
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(
        until(&other, |status| status.epoch != first).await.epoch,
        second
    );

    server.kill().await.unwrap();
    until(&redis, |status| !status.reads).await;
    server.start_empty().await.unwrap();
    // Before anything is read from the empty server.
    let status = until(&redis, |status| status.reads).await;
    assert!(status.epoch.is_some() && status.epoch != second);
}
