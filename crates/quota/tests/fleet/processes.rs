use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use towerblock_testkit::Redis;

use crate::support::{admitted, limiter, per_second, plan, policy, until};

const RATE: u64 = 2_000;
const BURST: u64 = 500;
const LEASE: Duration = Duration::from_millis(200);
const PROCESSES: u32 = 4;

fn time() -> Duration {
    let long = std::env::var_os("TOWERBLOCK_LONG").is_some();
    Duration::from_secs(if long { 10 } else { 3 })
}

/// Four processes, one Redis, one tenant.
#[tokio::test]
async fn four_processes_admit_what_one_may() {
    let server = Redis::builder().start().await.unwrap();
    let since = Instant::now();
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "processes::one_of_four",
                    "--ignored",
                    "--nocapture",
                ])
                .env("TOWERBLOCK_FLEET", server.url())
                .stdout(Stdio::piped())
                .stdin(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut sums = Vec::new();
    for child in children {
        let output = tokio::task::spawn_blocking(|| child.wait_with_output());
        let output = String::from_utf8(output.await.unwrap().unwrap().stdout).unwrap();
        let sum = output
            .lines()
            .find_map(|line| line.strip_prefix("admitted "));
        sums.push(sum.unwrap().parse::<u64>().unwrap());
    }
    // From before the first could ask to after the last had asked.
    let passed = since.elapsed().as_secs_f64();
    let admitted: u64 = sums.iter().sum();
    let should = BURST as f64 + RATE as f64 * passed;
    let bound = should + RATE as f64 * LEASE.as_secs_f64();
    println!("{PROCESSES} processes in {passed:.2} s: {sums:?}, {admitted} of at most {bound:.0}");
    assert!(admitted as f64 <= bound);
    assert!(
        admitted as f64 >= RATE as f64 * time().as_secs_f64() * 0.7,
        "{admitted}"
    );
}

#[tokio::test]
#[ignore = "it is run by the test above, in a process of its own"]
async fn one_of_four() {
    let url = std::env::var("TOWERBLOCK_FLEET").unwrap();
    let limiter = limiter(&url, PROCESSES, LEASE);
    until(async || limiter.is_shared()).await;
    let plan = plan([policy("requests", per_second(RATE, BURST))]);
    let ends = Instant::now() + time();
    let hammer = (0..16).map(async |_| {
        let mut sum = 0;
        while Instant::now() < ends {
            sum += admitted(&limiter, &plan, 20).await;
            tokio::task::yield_now().await;
        }
        sum
    });
    let sum: u64 = join_all(hammer).await.iter().sum();
    writeln!(std::io::stdout(), "\nadmitted {sum}").unwrap();
}
