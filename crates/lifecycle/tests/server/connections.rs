//! What becomes of each kind of connection.

use std::time::Duration;

use futures_util::future::join_all;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::process::{Client, Server};

const UPGRADE: &str = "host: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

#[tokio::test]
async fn every_connection_ends_by_its_deadline() {
    // The hook that hangs tells what the server cuts off from what ends with the process.
    let server = Server::start("300 1200 1000 hang");
    let idle = kept_alive(&server).await;
    let fresh = server.connect().await;
    let mut clients = vec![idle, fresh];
    for begin in [
        "GET / HTTP/1.1\r\nhost: te",
        "POST /read HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf",
        "GET /events/deaf HTTP/1.1\r\nhost: test\r\n\r\n",
        &format!("GET /upgrade/deaf HTTP/1.1\r\n{UPGRADE}"),
    ] {
        let mut client = server.connect().await;
        client.send(begin).await;
        clients.push(client);
    }
    // The last two have begun.
    for client in clients.iter_mut().skip(4) {
        client.some().await.unwrap();
    }
    let mut slow_reader = server.connect().await;
    slow_reader
        .send("GET /big HTTP/1.1\r\nhost: test\r\n\r\n")
        .await;
    slow_reader.some().await.unwrap();
    let mut http2 = http2(&server).await;
    let deaf = http2.send_request(get("/events/deaf")).await.unwrap();

    let stopped = server.signal("TERM");
    let ends = join_all(clients.iter_mut().map(Client::end)).await;
    let took: Vec<_> = ends.into_iter().map(|end| end - stopped).collect();
    // What is idle is closed when draining is over, what never asked a moment later, the rest when
    // the grace is over.
    let expected = [300, 800, 1_500, 1_500, 1_500, 1_500].map(Duration::from_millis);
    for (n, (took, expected)) in took.iter().zip(expected).enumerate() {
        let is_near = *took + Duration::from_millis(60) > expected
            && *took < expected + Duration::from_millis(250);
        assert!(is_near, "connection {n} ended after {took:?}");
    }
    assert!(deaf.into_body().collect().await.is_err());
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let took = ended.at - stopped;
    assert!(took < Duration::from_millis(2_400), "{took:?}");
    assert!(ended.said.contains("ended aborted=true"), "{ended:?}");
    // It was there all the time, and had not read.
    drop(slow_reader);
}

#[tokio::test]
async fn what_lives_long_is_told_early_and_ends_by_itself() {
    let server = Server::start("300 5000 1000");
    let mut events = server.connect().await;
    events
        .send("GET /events/polite HTTP/1.1\r\nhost: test\r\n\r\n")
        .await;
    events.some().await.unwrap();
    let mut upgraded = server.connect().await;
    let upgrade = format!("GET /upgrade/polite HTTP/1.1\r\n{UPGRADE}");
    upgraded.send(&upgrade).await;
    assert!(
        upgraded
            .answer()
            .await
            .unwrap()
            .starts_with("HTTP/1.1 101 ")
    );
    upgraded.send("hello").await;
    assert_eq!(upgraded.some().await.unwrap(), "hello");

    let stopped = server.signal("TERM");
    assert_eq!(upgraded.some().await.unwrap(), "bye");
    assert!(stopped.elapsed() < Duration::from_millis(250));
    upgraded.end().await;
    events.end().await;
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.at - stopped < Duration::from_millis(1_000));
}

#[tokio::test]
async fn an_upgraded_connection_works_on_while_closing() {
    let server = Server::start("0 1000 1000");
    let mut upgraded = server.connect().await;
    let upgrade = format!("GET /upgrade/deaf HTTP/1.1\r\n{UPGRADE}");
    upgraded.send(&upgrade).await;
    upgraded.answer().await.unwrap();
    server.signal("TERM");
    closed(&server).await;
    upgraded.send("still there").await;
    assert_eq!(upgraded.some().await.unwrap(), "still there");
}

#[tokio::test]
async fn requests_in_flight_are_answered() {
    let server = Server::start("100 3000 1000");
    let mut http1 = server.connect().await;
    http1
        .send("GET /slow/800 HTTP/1.1\r\nhost: test\r\n\r\n")
        .await;
    let mut half = server.connect().await;
    let begin = "POST /read HTTP/1.1\r\nhost: test\r\ncontent-length: 8\r\n\r\nhalf";
    half.send(begin).await;
    let mut http2 = http2(&server).await;
    let slow = http2.send_request(get("/slow/800"));
    let (slow, stopped) = tokio::join!(slow, async {
        // Once another one has been answered, those before it are in flight.
        kept_alive(&server).await;
        let stopped = server.signal("TERM");
        closed(&server).await;
        half.send("done").await;
        let answer = half.answer().await.unwrap();
        assert!(answer.ends_with("\r\n\r\n8"), "{answer}");
        stopped
    });
    let body = slow.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "slow");
    let answer = http1.answer().await.unwrap();
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nslow"), "{answer}");
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.at - stopped < Duration::from_secs(2));
}

/// Waits until nobody can connect any more.
async fn closed(server: &Server) {
    let start = Instant::now();
    while Client::connect(server.address).await.is_ok() {
        assert!(start.elapsed() < Duration::from_secs(5));
        // Each try is a connection that it has to end.
        sleep(Duration::from_millis(5)).await;
    }
}

async fn kept_alive(server: &Server) -> Client {
    let mut client = server.connect().await;
    let answer = client.get("/").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("connection:"), "{answer}");
    client
}

async fn http2(server: &Server) -> SendRequest<Empty<&'static [u8]>> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let io = TokioIo::new(stream);
    let (requests, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    requests
}

fn get(path: &str) -> Request<Empty<&'static [u8]>> {
    let uri = format!("http://test{path}");
    Request::get(uri).body(Empty::new()).unwrap()
}
