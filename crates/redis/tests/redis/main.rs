//! What a user relies on, against a real server and a broken network.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot be set up should panic"
)]

mod bus;
mod calls;
mod cancel;
mod faults;
mod lifetime;
mod load;
mod trouble;

use std::time::Duration;

use tokio::time::timeout;
use towerblock_redis::{Call, Error, Redis, Settings, Status};
use towerblock_testkit as testkit;

/// Longer than anything should take.
const LONG: Duration = Duration::from_secs(10);

async fn start() -> (testkit::Redis, Redis) {
    let server = testkit::Redis::builder().start().await.unwrap();
    let redis = connect(&server.url()).await;
    (server, redis)
}

/// Connected, that is.
async fn connect(url: &str) -> Redis {
    let redis = Redis::connect(Settings::from_url(url).unwrap());
    until(&redis, |status| status.reads && status.writes).await;
    redis
}

/// Waits until the status is so.
async fn until(redis: &Redis, is_so: impl FnMut(&Status) -> bool) -> Status {
    let mut status = redis.watch();
    let found = timeout(LONG, status.wait_for(is_so)).await;
    match found {
        Ok(found) => found.unwrap().clone(),
        Err(_) => panic!("{redis:?}"),
    }
}

async fn get(redis: &Redis, key: &str) -> Result<Option<String>, Error> {
    let reply = redis.call(Call::read("GET").arg(key)).await?;
    Ok(reply.text().map(str::to_owned))
}

async fn set(redis: &Redis, key: &str, value: &str) -> Result<(), Error> {
    let reply = redis.call(Call::write("SET").arg(key).arg(value)).await?;
    assert_eq!(reply.text(), Some("OK"));
    Ok(())
}
