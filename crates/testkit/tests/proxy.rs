//! Each fault, as both ends of a connection see it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::io::ErrorKind;
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use towerblock_testkit::{Direction, Proxy};

/// Long enough for anything that arrives at all.
const SOON: Duration = Duration::from_secs(5);
/// Long enough to say that nothing arrives.
const NEVER: Duration = Duration::from_millis(200);

/// Both ends of one connection through a proxy.
struct Ends {
    proxy: Proxy,
    listener: TcpListener,
    client: TcpStream,
    server: TcpStream,
}

async fn ends() -> Ends {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let client = TcpStream::connect(proxy.addr()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    Ends {
        proxy,
        listener,
        client,
        server,
    }
}

/// What can be read at once, or nothing for a while.
async fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = [0; 64];
    let read = timeout(NEVER, stream.read(&mut bytes)).await.ok()?;
    Some(bytes.get(..read.unwrap()).unwrap().to_vec())
}

#[tokio::test]
async fn without_a_fault_everything_passes_and_ends_are_passed_on() {
    let mut e = ends().await;
    e.client.write_all(b"ping").await.unwrap();
    assert_eq!(read(&mut e.server).await.unwrap(), b"ping");
    e.server.write_all(b"pong").await.unwrap();
    assert_eq!(read(&mut e.client).await.unwrap(), b"pong");
    e.client.shutdown().await.unwrap();
    assert_eq!(read(&mut e.server).await.unwrap(), b"");
    e.server.write_all(b"late").await.unwrap();
    assert_eq!(read(&mut e.client).await.unwrap(), b"late");
}

#[tokio::test]
async fn a_delay_costs_time_and_not_throughput() {
    let mut e = ends().await;
    let delay = Duration::from_millis(150);
    e.proxy.delay(delay);
    let start = Instant::now();
    for _ in 0..10 {
        e.client.write_all(b"x").await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut all = [0; 10];
    timeout(SOON, e.server.read_exact(&mut all))
        .await
        .unwrap()
        .unwrap();
    assert!(start.elapsed() >= delay);
    assert!(start.elapsed() < delay * 9, "not one delay after another");
}

#[tokio::test]
async fn a_throttle_bounds_the_rate() {
    let mut e = ends().await;
    e.proxy.throttle(NonZeroU32::new(1_000).unwrap());
    let start = Instant::now();
    e.client.write_all(&[7; 300]).await.unwrap();
    let mut all = [0; 300];
    timeout(SOON, e.server.read_exact(&mut all))
        .await
        .unwrap()
        .unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn what_is_lost_is_lost_in_its_direction_only() {
    let mut e = ends().await;
    e.proxy.lose(Direction::ToClient);
    e.client.write_all(b"ping").await.unwrap();
    assert_eq!(read(&mut e.server).await.unwrap(), b"ping");
    e.server.write_all(b"pong").await.unwrap();
    assert_eq!(read(&mut e.client).await, None);
    e.proxy.heal();
    e.server.write_all(b"again").await.unwrap();
    assert_eq!(read(&mut e.client).await.unwrap(), b"again");
}

#[tokio::test]
async fn a_cut_ends_both_ends_and_lets_new_ones_in() {
    let mut e = ends().await;
    e.proxy.cut();
    assert_eq!(read(&mut e.client).await.unwrap(), b"");
    assert_eq!(read(&mut e.server).await.unwrap(), b"");
    let _client = TcpStream::connect(e.proxy.addr()).await.unwrap();
    timeout(SOON, e.listener.accept()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_reset_is_an_error_at_both_ends() {
    let mut e = ends().await;
    e.proxy.reset();
    for stream in [&mut e.client, &mut e.server] {
        let read = timeout(SOON, stream.read(&mut [0])).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn of_a_half_open_connection_only_the_server_learns() {
    let mut e = ends().await;
    e.proxy.half_open();
    assert_eq!(read(&mut e.server).await.unwrap(), b"");
    e.client.write_all(b"anyone?").await.unwrap();
    assert_eq!(read(&mut e.client).await, None);
    e.proxy.heal();
    assert_eq!(read(&mut e.client).await.unwrap(), b"");
}

#[tokio::test]
async fn refused_means_that_nothing_listens_until_it_heals() {
    let mut e = ends().await;
    e.proxy.refuse();
    let refused = async {
        // The listener closes a moment later; who was about to be accepted is reset.
        let refused = ErrorKind::ConnectionRefused;
        while !matches!(TcpStream::connect(e.proxy.addr()).await, Err(error) if error.kind() == refused)
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, refused).await.unwrap();
    e.client.write_all(b"still").await.unwrap();
    assert_eq!(read(&mut e.server).await.unwrap(), b"still");

    e.proxy.heal();
    let open = async { while TcpStream::connect(e.proxy.addr()).await.is_err() {} };
    timeout(SOON, open).await.unwrap();
}

#[tokio::test]
async fn dropping_the_proxy_ends_its_connections() {
    let mut e = ends().await;
    drop(e.proxy);
    let mut bytes = [0];
    let read = timeout(SOON, e.client.read(&mut bytes)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
    assert!(
        TcpStream::connect(e.client.peer_addr().unwrap())
            .await
            .is_err()
    );
}
