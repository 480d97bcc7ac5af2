//! Requests that come while the service drains.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::process::{Client, Server};

#[tokio::test]
async fn readiness_fails_first_and_what_comes_is_served() {
    let server = Server::start("800 1000 1000");
    let ready = server.connect().await.get("/readyz").await.unwrap();
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    server.signal("TERM");
    let mut ready = String::new();
    while !ready.starts_with("HTTP/1.1 503 ") {
        ready = server.connect().await.get("/readyz").await.unwrap();
    }
    let answer = server.connect().await.get("/").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// Sent when they are due, whatever became of those before.
#[tokio::test]
async fn no_request_fails_before_the_listener_closes() {
    const DRAIN: Duration = Duration::from_millis(1_000);
    let server = Server::start("1000 2000 1000");
    let start = Instant::now();
    let mut requests = JoinSet::new();
    let mut stopped = None;
    for n in 0..1_000 {
        let due = start + Duration::from_millis(2) * n;
        sleep_until(due).await;
        if n == 300 {
            stopped = Some(server.signal("TERM"));
        }
        // A third of them take longer than what is left of draining.
        let path = if n % 3 == 0 { "/slow/700" } else { "/" };
        requests.spawn(request(server.address, due, path));
    }
    let closes = stopped.unwrap() + DRAIN;
    let (mut served, mut late) = (0, 0);
    while let Some(answered) = requests.join_next().await {
        let (due, answer) = answered.unwrap();
        // The signal takes a moment to get there, so the listener closes no earlier than this.
        let is_early = due < closes - Duration::from_millis(20);
        match answer {
            Ok(answer) => {
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                served += 1;
            }
            Err(error) => {
                assert!(!is_early, "{error}, {:?} before the end", closes - due);
                late += 1;
            }
        }
    }
    assert!(served > 750 && late > 100, "{served} served, {late} late");
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

async fn request(
    address: SocketAddr,
    due: Instant,
    path: &'static str,
) -> (Instant, std::io::Result<String>) {
    let answer = async { Client::connect(address).await?.get(path).await };
    (due, answer.await)
}
