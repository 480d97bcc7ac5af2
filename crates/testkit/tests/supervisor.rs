//! Nothing outlives the process that started it, however that ends.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod alive;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};
use towerblock_testkit::{Postgres, Redis};

/// Set in a process that starts servers for the test.
const ENDS_BY: &str = "TESTKIT_TEST_ENDS_BY";

/// No test of its own: what the others run in a process of theirs.
#[tokio::test]
async fn process_with_servers() {
    let Ok(end) = std::env::var(ENDS_BY) else {
        return;
    };
    let (postgres, redis) = tokio::join!(
        Postgres::builder().standbys(1).start(),
        Redis::builder().start()
    );
    let (postgres, redis) = (postgres.unwrap(), redis.unwrap());
    // What is frozen has to be killed as well.
    redis.pause().await.unwrap();
    postgres.primary().pause().await.unwrap();
    let backends = "SELECT pid FROM pg_stat_activity";
    let standby = postgres.standbys().first().unwrap();
    let backend = standby.sql(backends).await.unwrap().unwrap();
    let servers = [postgres.primary().pid(), standby.pid(), redis.pid()];
    for pid in servers.map(Option::unwrap) {
        println!("pid {pid}");
    }
    println!("pid {backend}");
    println!("ready");
    match &*end {
        "panic" => std::panic::resume_unwind(Box::new("as the test wants it")),
        "exit" => drop((postgres, redis)),
        _ => sleep(Duration::from_secs(60)).await,
    }
}

#[tokio::test]
async fn a_killed_process_leaves_nothing() {
    ends_by("kill", |child| {
        child.kill().unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_terminated_process_leaves_nothing() {
    ends_by("term", |child| {
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_panic_leaves_nothing() {
    ends_by("panic", |_| {}).await;
}

#[tokio::test]
async fn dropping_leaves_nothing() {
    ends_by("exit", |_| {}).await;
}

#[tokio::test]
async fn two_processes_that_start_at_once_get_servers_each() {
    let starts = ["exit", "exit", "exit"].map(spawn);
    for mut child in starts {
        let pids = pids(&mut child);
        child.wait().unwrap();
        gone(&pids, child.id()).await;
    }
}

async fn ends_by(how: &str, end: impl FnOnce(&mut Child)) {
    let mut child = spawn(how);
    let pids = pids(&mut child);
    end(&mut child);
    child.wait().unwrap();
    gone(&pids, child.id()).await;
}

/// This test binary again, as a process that starts servers.
fn spawn(end: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["process_with_servers", "--exact", "--nocapture"])
        .env(ENDS_BY, end)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// The servers of that process, which run when this returns.
fn pids(child: &mut Child) -> Vec<i32> {
    let mut pids = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        pids.extend(
            line.strip_prefix("pid ")
                .map(|pid| pid.parse::<i32>().unwrap()),
        );
        if line == "ready" {
            break;
        }
    }
    assert_eq!(pids.len(), 4);
    pids
}

async fn gone(pids: &[i32], process: u32) {
    let run = format!("run-{process}-");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let alive = |pid: &&i32| alive::is_alive(**pid);
        let alive: Vec<_> = pids.iter().filter(alive).collect();
        let folders: Vec<_> = folders().into_iter().filter(|f| f.contains(&run)).collect();
        if alive.is_empty() && folders.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left: {alive:?} {folders:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// All folders that servers run in now.
fn folders() -> Vec<String> {
    let entries = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
    let is_ours = |name: &str| name.starts_with("testkit-");
    entries(std::env::temp_dir())
        .filter(|base| is_ours(&base.file_name().to_string_lossy()))
        .flat_map(|base| entries(base.path()))
        .map(|folder| folder.path().display().to_string())
        .collect()
}
