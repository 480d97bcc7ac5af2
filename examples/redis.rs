//! `cargo run --example redis`: a call, a script and a subscription; then the server hangs, and
//! comes back.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};
use towerblock_core::BoxError;
use towerblock_redis::{Call, Error, Heard, Redis, Script, Settings};
use towerblock_testkit as testkit;

/// Takes from a stock what is there, and no more.
static TAKE: Script = Script::write(
    "local left = tonumber(redis.call('GET', KEYS[1]) or '0') \
     if left < tonumber(ARGV[1]) then return -1 end \
     return redis.call('DECRBY', KEYS[1], ARGV[1])",
);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = match testkit::Redis::builder().start().await {
        Ok(server) => server,
        Err(error) if error.is_not_installed() => {
            println!("{error}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let redis = Redis::connect(Settings::from_url(&server.url())?);
    let mut status = redis.watch();
    status.wait_for(|status| status.writes).await?;

    redis
        .call(Call::write("SET").arg("stock:7").number(12))
        .await?;
    let left = redis.run(&TAKE, &["stock:7"], &["5"]).await?;
    println!("took 5 of 12: {:?} left", left.integer());
    assert_eq!(left.integer(), Some(7));
    assert_eq!(
        redis.run(&TAKE, &["stock:7"], &["8"]).await?.integer(),
        Some(-1)
    );

    let mut news = redis.subscribe("stock");
    // From here on no message is missed.
    assert_eq!(news.next().await, Some(Heard::Gap));
    redis
        .publish("stock", Bytes::from_static(b"7 is low"))
        .await?;
    println!("heard: {:?}", news.next().await);

    server.pause().await?;
    println!("\nthe server hangs");
    for call in 1..=4 {
        let asked = Instant::now();
        let Err(error) = redis.call(Call::read("GET").arg("stock:7")).await else {
            return Err("a server that hangs does not answer".into());
        };
        println!("call {call}: {error}, after {:.1?}", asked.elapsed());
    }
    status.wait_for(|status| !status.reads).await?;
    let asked = Instant::now();
    let refused = redis.call(Call::read("GET").arg("stock:7")).await;
    println!("known: refused after {:.1?}", asked.elapsed());
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");

    server.resume().await?;
    let resumed = Instant::now();
    timeout(
        Duration::from_secs(5),
        status.wait_for(|status| status.writes),
    )
    .await??;
    println!(
        "\nthe server goes on: used again after {:.1?}",
        resumed.elapsed()
    );
    let left = redis.call(Call::read("GET").arg("stock:7")).await?;
    assert_eq!(left.integer(), Some(7));
    redis.close().await;
    Ok(())
}
