//! A call through `towerblock-redis`, and the same through fred alone.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench prints, and stops when it cannot"
)]

use std::time::Duration;

use fred::prelude::{Builder, Client, ClientLike, Config};
use fred::types::{ClusterHash, CustomCommand, Value};
use tokio::runtime::{Builder as Threads, Runtime};
use tokio::time::Instant;
use towerblock_core::BoxError;
use towerblock_redis::{Call, Redis, Settings};
use towerblock_testkit as testkit;

const ROUNDS: usize = 41;
const CALLS: u32 = 1_000;

fn main() -> Result<(), BoxError> {
    let runtime = Threads::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let server = runtime.block_on(testkit::Redis::builder().start())?;
    let url = server.url();
    let (bare, redis) = runtime.block_on(async {
        let config = Config::from_url(&url)?;
        let bare = Builder::from_config(config)
            .with_performance_config(|settings| {
                settings.default_command_timeout = Duration::from_millis(100);
            })
            .build()?;
        bare.init().await?;
        let redis = Redis::connect(Settings::from_url(&url)?.connections(1));
        redis.watch().wait_for(|status| status.writes).await?;
        redis
            .call(Call::write("SET").arg("key").arg("x".repeat(100)))
            .await?;
        Ok::<_, BoxError>((bare, redis))
    })?;

    let mut nanos = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        nanos[0].push(round(&runtime, async || bare_get(&bare).await));
        nanos[1].push(round(&runtime, async || get(&redis).await));
        nanos[2].push(at_once(&runtime, 64, async || bare_get(&bare).await));
        nanos[3].push(at_once(&runtime, 64, async || get(&redis).await));
    }
    let [bare_one, ours_one, bare_all, ours_all] = nanos.map(median);
    println!("| GET of 100 bytes, one connection | one after the other | | 64 at once, each | |");
    println!("|---|--:|--:|--:|--:|");
    println!(
        "| fred 10.1 | {:.1} us | 1.00 × | {:.1} us | 1.00 × |",
        bare_one / 1e3,
        bare_all / 1e3
    );
    println!(
        "| `towerblock-redis` | {:.1} us | {:.2} × | {:.1} us | {:.2} × |",
        ours_one / 1e3,
        ours_one / bare_one,
        ours_all / 1e3,
        ours_all / bare_all,
    );

    runtime.block_on(async {
        server.kill().await?;
        redis.watch().wait_for(|status| !status.reads).await?;
        Ok::<_, BoxError>(())
    })?;
    let refused = (0..ROUNDS).map(|_| {
        round(&runtime, async || {
            let call = Call::read("GET").arg("key");
            redis.call(call).await.expect_err("nobody is there");
        })
    });
    println!(
        "\nrefused while the server is away: {:.0} ns",
        median(refused.collect())
    );
    Ok(())
}

async fn get(redis: &Redis) {
    let reply = redis.call(Call::read("GET").arg("key")).await;
    reply.expect("the server is up");
}

async fn bare_get(client: &Client) {
    let command = CustomCommand::new_static("GET", ClusterHash::FirstKey, false);
    let frame = client
        .custom_raw::<Value>(command, vec!["key".into()])
        .await;
    frame.expect("the server is up");
}

/// Nanoseconds for one.
fn round(runtime: &Runtime, work: impl AsyncFn()) -> f64 {
    runtime.block_on(async {
        let start = Instant::now();
        for _ in 0..CALLS {
            work().await;
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    })
}

/// Nanoseconds for one of many.
fn at_once(runtime: &Runtime, many: u32, work: impl AsyncFn()) -> f64 {
    runtime.block_on(async {
        let start = Instant::now();
        for _ in 0..CALLS / many {
            futures_util::future::join_all((0..many).map(|_| work())).await;
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS / many * many)
    })
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all[all.len() / 2]
}
