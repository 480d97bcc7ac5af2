//! Two instances behind nginx, replaced one after the other.

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
        let path = if sent % 5 == 0 { "/slow/300" } else { "/" };
        let address = nginx.addr();
        requests.spawn(async move { Client::connect(address).await?.get(path).await });
        sent += 1;
    }
    let _second = restarting.await.unwrap();
    for answer in requests.join_all().await {
        let answer = answer.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}
