//! Each fault, as a client and a server see it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use towerblock_testkit::{Direction, Proxy};

const MOMENT: Duration = Duration::from_millis(150);
const SOON: Duration = Duration::from_secs(5);

/// Both ends of one connection through a proxy.
struct Pair {
    proxy: Proxy,
    listener: TcpListener,
    client: TcpStream,
    server: TcpStream,
}

impl Pair {
    async fn connect() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
        let client = TcpStream::connect(proxy.addr()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        Self {
            proxy,
            listener,
            client,
            server,
        }
    }
}

async fn sends(from: &mut TcpStream, to: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    from.write_all(b"x").await.unwrap();
    assert_eq!(timeout(SOON, to.read_u8()).await.unwrap().unwrap(), b'x');
    begun.elapsed()
}

async fn is_silent(to: &mut TcpStream) -> bool {
    timeout(MOMENT, to.read_u8()).await.is_err()
}

#[tokio::test]
async fn without_a_fault_bytes_and_ends_pass_both_ways() {
    let mut it = Pair::connect().await;
    sends(&mut it.client, &mut it.server).await;
    sends(&mut it.server, &mut it.client).await;
    assert_eq!(it.proxy.connections(), 1);
    // Half closed: the other direction goes on.
    it.client.shutdown().await.unwrap();
    assert_eq!(it.server.read(&mut [0]).await.unwrap(), 0);
    sends(&mut it.server, &mut it.client).await;
    drop(it.server);
    assert_eq!(it.client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn much_passes_unchanged() {
    let mut it = Pair::connect().await;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut received = vec![0; sent.len()];
    let (wrote, read) = tokio::join!(
        it.client.write_all(&sent),
        it.server.read_exact(&mut received)
    );
    wrote.unwrap();
    read.unwrap();
    assert!(sent == received);
}

#[tokio::test]
async fn a_delay_comes_before_every_byte_and_ends() {
    let mut it = Pair::connect().await;
    it.proxy.delay(MOMENT);
    assert!(sends(&mut it.client, &mut it.server).await >= MOMENT);
    assert!(sends(&mut it.server, &mut it.client).await >= MOMENT);
    it.proxy.heal().await;
    assert!(sends(&mut it.client, &mut it.server).await < MOMENT);
}

#[tokio::test]
async fn a_throttled_line_takes_its_time() {
    let mut it = Pair::connect().await;
    it.proxy.throttle(10_000);
    let begun = Instant::now();
    it.client.write_all(&[0; 3000]).await.unwrap();
    it.server.read_exact(&mut [0; 3000]).await.unwrap();
    // The first twentieth of a second goes at once.
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(200), "{took:?}");
    assert!(took < Duration::from_millis(1000), "{took:?}");
}

#[tokio::test]
async fn dropped_bytes_are_lost_in_their_direction_only() {
    let mut it = Pair::connect().await;
    it.proxy.drop_bytes(Direction::ToServer);
    it.client.write_all(&vec![b'-'; 8_000_000]).await.unwrap();
    assert!(is_silent(&mut it.server).await);
    sends(&mut it.server, &mut it.client).await;
    it.proxy.drop_bytes(Direction::ToClient);
    it.server.write_all(b"-").await.unwrap();
    assert!(is_silent(&mut it.client).await);
    it.proxy.heal().await;
    sends(&mut it.client, &mut it.server).await;
    sends(&mut it.server, &mut it.client).await;
}

#[tokio::test]
async fn a_half_open_line_hides_that_the_peer_has_gone() {
    let mut it = Pair::connect().await;
    it.proxy.half_open(Direction::Both);
    it.client.write_all(b"x").await.unwrap();
    drop(it.client);
    assert!(is_silent(&mut it.server).await);
    it.proxy.heal().await;
    let mut rest = Vec::new();
    let read = it.server.read_to_end(&mut rest);
    timeout(SOON, read).await.unwrap().unwrap();
    assert_eq!(rest, b"x");
}

#[tokio::test]
async fn a_half_open_line_fills_the_buffers_of_the_sender() {
    let mut it = Pair::connect().await;
    it.proxy.half_open(Direction::ToClient);
    let much = vec![0; 64_000_000];
    assert!(timeout(MOMENT, it.server.write_all(&much)).await.is_err());
    sends(&mut it.client, &mut it.server).await;
}

#[tokio::test]
async fn a_cut_ends_what_is_connected_and_lets_others_in() {
    let mut it = Pair::connect().await;
    it.proxy.cut().await;
    assert_eq!(it.proxy.connections(), 0);
    assert_eq!(it.client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(it.server.read(&mut [0]).await.unwrap(), 0);
    let mut client = TcpStream::connect(it.proxy.addr()).await.unwrap();
    let (mut server, _) = it.listener.accept().await.unwrap();
    sends(&mut client, &mut server).await;
}

#[tokio::test]
async fn a_reset_is_an_error_at_both_ends() {
    let mut it = Pair::connect().await;
    it.proxy.reset().await;
    for end in [&mut it.client, &mut it.server] {
        let error = end.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn new_connections_are_refused_until_it_heals() {
    let mut it = Pair::connect().await;
    it.proxy.refuse().await;
    let refused = TcpStream::connect(it.proxy.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    sends(&mut it.client, &mut it.server).await;
    it.proxy.heal().await;
    let mut client = TcpStream::connect(it.proxy.addr()).await.unwrap();
    let (mut server, _) = it.listener.accept().await.unwrap();
    sends(&mut client, &mut server).await;
}

#[tokio::test]
async fn a_client_is_reset_while_the_upstream_is_away() {
    let it = Pair::connect().await;
    drop(it.listener);
    let mut client = TcpStream::connect(it.proxy.addr()).await.unwrap();
    let error = timeout(SOON, client.read(&mut [0])).await.unwrap();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_dropped_proxy_is_gone_with_its_connections() {
    let mut it = Pair::connect().await;
    let addr = it.proxy.addr();
    drop(it.proxy);
    for end in [&mut it.client, &mut it.server] {
        assert_eq!(timeout(SOON, end.read(&mut [0])).await.unwrap().unwrap(), 0);
    }
    let refused = TcpStream::connect(addr).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
