//! Serving, in this process.

use std::net::SocketAddr;
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::task::coop::consume_budget;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use towerblock_lifecycle::{Deadlines, InFlightLayer, Lifecycle, Peer, Phase, Timeouts};

use crate::process::Client;

#[tokio::test]
async fn what_waits_at_the_listener_when_it_closes_is_served() {
    let lifecycle = lifecycle();
    let (listener, address) = listener().await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(Client::connect(address).await.unwrap());
    }
    // Nothing has been accepted yet, and nothing is any more.
    lifecycle.stop();
    assert_eq!(lifecycle.phase(), Phase::Closing);
    let serving = lifecycle.serve(listener, routes());
    let asking = clients.iter_mut().map(|client| client.get("/"));
    // So that tokio lets this task do little more at once.
    let busy = async {
        for _ in 0..100 {
            consume_budget().await;
        }
    };
    let ((), ending, answers) = tokio::join!(busy, lifecycle.run(serving), join_all(asking));
    assert!(ending.is_clean());
    for answer in answers {
        assert!(answer.unwrap().ends_with("hello"));
    }
}

#[tokio::test]
async fn requests_say_where_they_come_from() {
    let lifecycle = lifecycle();
    let (listener, address) = listener().await;
    let serving = tokio::spawn(lifecycle.serve(listener, routes()));
    let mut client = Client::connect(address).await.unwrap();
    let answer = client.get("/peer").await.unwrap();
    let address = client.address().to_string();
    assert!(answer.ends_with(&address), "{answer}");
    serving.abort();
}

#[tokio::test]
async fn who_never_asks_and_who_asks_no_more_is_closed() {
    let lifecycle = lifecycle();
    let (listener, address) = listener().await;
    let timeouts = Timeouts::default();
    let timeouts = timeouts.first_request(Duration::from_millis(200));
    let timeouts = timeouts.idle(Duration::from_millis(600));
    let serving = lifecycle.serve_with(listener, routes(), timeouts);
    let serving = tokio::spawn(serving);
    let start = Instant::now();
    let ends = ["", "PRI * HT", "GET / HTTP/1.1\r\nhost: te"].map(async |begin| {
        let mut client = Client::connect(address).await.unwrap();
        client.send(begin).await;
        client.end().await - start
    });
    let idle = async {
        let mut client = Client::connect(address).await.unwrap();
        client.get("/").await.unwrap();
        client.end().await - start
    };
    let (ends, idle) = tokio::join!(join_all(ends), idle);
    for end in ends {
        assert!(end < Duration::from_millis(500), "{end:?}");
    }
    assert!(idle > Duration::from_millis(550), "{idle:?}");
    assert!(idle < Duration::from_millis(1_500), "{idle:?}");
    assert_eq!(lifecycle.connections(), 0);
    serving.abort();
}

#[tokio::test]
async fn nothing_is_open_once_what_serves_is_dropped() {
    let lifecycle = lifecycle();
    let (listener, address) = listener().await;
    let serving = tokio::spawn(lifecycle.serve(listener, routes()));
    let mut idle = Client::connect(address).await.unwrap();
    idle.get("/").await.unwrap();
    let mut fresh = Client::connect(address).await.unwrap();
    while lifecycle.connections() < 2 {
        yield_now().await;
    }
    serving.abort();
    idle.end().await;
    fresh.end().await;
    while lifecycle.connections() > 0 {
        yield_now().await;
    }
    assert!(Client::connect(address).await.is_err());
}

#[tokio::test]
async fn a_panic_ends_its_connection_alone() {
    let lifecycle = lifecycle();
    let (listener, address) = listener().await;
    let serving = tokio::spawn(lifecycle.serve(listener, routes()));
    let mut other = Client::connect(address).await.unwrap();
    other.get("/").await.unwrap();
    let mut panics = Client::connect(address).await.unwrap();
    assert!(panics.get("/panic").await.is_err());
    while lifecycle.connections() > 1 {
        yield_now().await;
    }
    assert!(other.get("/").await.unwrap().ends_with("hello"));
    serving.abort();
}

#[tokio::test]
async fn requests_that_another_server_serves_are_waited_for() {
    let lifecycle = lifecycle();
    let (listener, address) = listener().await;
    let slow = async || {
        sleep(Duration::from_millis(300)).await;
        "slow"
    };
    let app: Router = Router::new()
        .route("/", get(slow))
        .layer(InFlightLayer::new(&lifecycle));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    lifecycle.ready();
    // It does not wait for its connections itself.
    let work = lifecycle.until(Phase::Closing);
    let mut client = Client::connect(address).await.unwrap();
    let (ending, answer) = tokio::join!(lifecycle.run(work), async {
        let asking = client.get("/");
        let stopping = async {
            while lifecycle.in_flight() == 0 {
                yield_now().await;
            }
            lifecycle.stop();
        };
        tokio::join!(asking, stopping).0
    });
    assert!(ending.is_clean(), "{ending:?}");
    assert!(answer.unwrap().ends_with("slow"));
    server.abort();
}

fn lifecycle() -> Lifecycle {
    Lifecycle::new(Deadlines::default().drain(Duration::ZERO))
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[expect(clippy::panic, reason = "one of the routes does")]
fn routes() -> Router {
    let peer = async |Extension(Peer(peer)): Extension<Peer>| peer.to_string();
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/peer", get(peer))
        .route(
            "/panic",
            get(|| async { panic!("as the test wants") as &str }),
        )
}
