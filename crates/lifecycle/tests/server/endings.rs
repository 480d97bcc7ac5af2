//! Signals and hooks.

use std::time::Duration;

use crate::process::Server;

#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_the_hooks_run_all_the_same() {
    for [first, second] in [["TERM", "TERM"], ["INT", "TERM"]] {
        let server = Server::start("5000 5000 1000");
        let mut events = server.connect().await;
        events
            .send("GET /events/deaf HTTP/1.1\r\nhost: test\r\n\r\n")
            .await;
        events.some().await.unwrap();
        server.signal(first);
        // It was heard: two of a kind that come at once are one to the system.
        let mut probe = server.connect().await;
        while !probe.get("/readyz").await.unwrap().contains("draining") {
            probe = server.connect().await;
        }
        let again = server.signal(second);
        events.end().await;
        let ended = server.ended().await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.at - again < Duration::from_millis(700));
        assert!(
            ended.said.contains("closed last\nclosed first\n"),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn a_hook_that_hangs_costs_its_deadline_and_no_more() {
    let server = Server::start("0 1000 5000 hang");
    let stopped = server.signal("TERM");
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said = "closed last\nclosed first\nended aborted=false [(\"hangs\", TimedOut)]\n";
    assert!(ended.said.contains(said), "{ended:?}");
    let took = ended.at - stopped;
    assert!(took >= Duration::from_millis(350), "{took:?}");
    assert!(took < Duration::from_millis(1_400), "{took:?}");
}

#[tokio::test]
async fn a_signal_during_the_start_ends_it_in_order() {
    let server = Server::start("5000 5000 1000 starting");
    let stopped = server.signal("TERM");
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.said.contains("closed last\nclosed first\n"),
        "{ended:?}"
    );
    assert!(ended.at - stopped < Duration::from_secs(1));
}
