//! Two instances behind nginx, replaced one after the other.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use towerblock_testkit::Nginx;

use crate::process::{Client, Server};

const SCENE: &str = "400 2000 1000";

#[tokio::test]
async fn a_rolling_restart_behind_nginx_fails_no_request() {
    let first = [Server::start(SCENE), Server::start(SCENE)];
    let addresses = first.each_ref().map(|server| server.address);
    let nginx = Nginx::start(&addresses).await.unwrap();
    let restarting = tokio::spawn(async move {
        let mut second = Vec::new();
        for server in first {
            sleep(Duration::from_millis(300)).await;
            let address = server.address;
            server.signal("TERM");
            let ended = server.ended().await;
            assert_eq!(ended.code, Some(0), "{ended:?}");
            second.push(Server::start(&format!("{SCENE} port={}", address.port())));
        }
        second
    });
    // Sent when they are due, whatever became of those before.
    let (start, mut requests) = (Instant::now(), JoinSet::new());
    let mut sent = 0;
    while !restarting.is_finished() || sent < 500 {
        sleep_until(start + Duration::from_millis(4) * sent).await;
        let milliseconds = if sent % 5 == 0 { 300 } else { 0 };
        requests.spawn(post(nginx.addr(), milliseconds));
        sent += 1;
    }
    let _second = restarting.await.unwrap();
    for answer in requests.join_all().await {
        let answer = answer.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

/// Once nginx has sent it, it does not ask another server.
async fn post(nginx: SocketAddr, milliseconds: u64) -> std::io::Result<String> {
    let mut client = Client::connect(nginx).await?;
    let head = format!("POST /slow/{milliseconds} HTTP/1.1\r\nhost: test\r\n");
    client
        .send(&format!("{head}content-length: 0\r\n\r\n"))
        .await;
    client.answer().await
}
