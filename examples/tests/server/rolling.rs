//! Two instances behind nginx, replaced one after the other.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use towerblock_testkit::Nginx;

use crate::client::send_to;
use crate::program::Server;

const EVERY: Duration = Duration::from_millis(8);

fn start(port: u16) -> Server {
    Server::start(&[
        ("DATABASE_URL", "memory:"),
        ("PORT", &port.to_string()),
        ("DRAIN_MS", "500"),
    ])
}

/// Ends it, and starts another in its place.
fn replace(mut server: Server) -> Server {
    server.terminate();
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
    start(server.address.port())
}

/// Once nginx has sent a POST, it does not ask another server.
fn request(nginx: SocketAddr, n: u32) -> (u16, Duration) {
    let tenant = format!(
        "host: t{:05}.localhost\r\nconnection: close\r\n",
        1 + n % 50
    );
    let body = r#"{"name":"rolled"}"#;
    let text = match n % 5 {
        0 => format!(
            "POST /api/v1/plugins HTTP/1.1\r\n{tenant}content-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ),
        1 => format!("GET /api/v1/marketplace HTTP/1.1\r\n{tenant}\r\n"),
        _ => format!("GET /api/v1/plugins?limit=5 HTTP/1.1\r\n{tenant}\r\n"),
    };
    let sent = Instant::now();
    let status = send_to(nginx, text.as_bytes()).map_or(0, |answer| answer.status);
    (status, sent.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_behind_nginx_fails_no_request() {
    let first = [(); 2].map(|()| start(0));
    let addresses = first.each_ref().map(|server| server.address);
    let nginx = Nginx::start(&addresses).await.unwrap();
    let restarting = tokio::task::spawn_blocking(move || first.map(replace));
    // Sent when they are due, whatever became of those before.
    let (began, mut requests) = (Instant::now(), JoinSet::new());
    let mut sent = 0;
    while !restarting.is_finished() || sent < 300 {
        sleep_until(began + EVERY * sent).await;
        let (nginx, n) = (nginx.addr(), sent);
        requests.spawn_blocking(move || (n, request(nginx, n)));
        sent += 1;
    }
    let _second = restarting.await.unwrap();
    let answers = requests.join_all().await;
    let slowest = answers.iter().map(|(_, (_, took))| *took).max().unwrap();
    let is_failed =
        |(n, (status, _)): &&(u32, (u16, Duration))| *status != if n % 5 == 0 { 201 } else { 200 };
    let failed: Vec<_> = answers.iter().filter(is_failed).collect();
    println!(
        "two of two replaced within {:?}: {sent} requests, {} failed, the slowest took {slowest:?}",
        began.elapsed(),
        failed.len()
    );
    assert!(failed.is_empty(), "{failed:?}");
}
