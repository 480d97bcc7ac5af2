//! A real Redis, and what can be done to it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use towerblock_testkit::Redis;

/// Long enough for anything that answers at all.
const SOON: Duration = Duration::from_secs(5);

/// Sends one command and returns the first line of the answer.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), command: &str) -> String {
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .await
        .unwrap();
    read_line(stream).await
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(timeout(SOON, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(line).unwrap().trim().to_owned()
}

async fn connect(redis: &Redis) -> TcpStream {
    TcpStream::connect(redis.addr()).await.unwrap()
}

#[tokio::test]
async fn data_survives_a_kill_and_not_a_wipe() {
    let redis = Redis::builder().start().await.unwrap();
    let mut client = connect(&redis).await;
    assert_eq!(ask(&mut client, "SET key value").await, "+OK");
    let first = redis.pid().unwrap();
    redis.kill().await.unwrap();
    assert_eq!(redis.pid(), None);
    assert!(TcpStream::connect(redis.addr()).await.is_err());

    redis.start().await.unwrap();
    assert_ne!(redis.pid().unwrap(), first);
    assert_eq!(ask(&mut connect(&redis).await, "EXISTS key").await, ":1");
    redis.stop().await.unwrap();
    redis.start().await.unwrap();
    assert_eq!(ask(&mut connect(&redis).await, "EXISTS key").await, ":1");

    redis.wipe().await.unwrap();
    redis.start().await.unwrap();
    assert_eq!(ask(&mut connect(&redis).await, "EXISTS key").await, ":0");
}

#[tokio::test]
async fn a_frozen_server_answers_when_it_is_thawed() {
    let redis = Redis::builder().start().await.unwrap();
    let mut client = connect(&redis).await;
    redis.pause().await.unwrap();
    client.write_all(b"PING\r\n").await.unwrap();
    let early = timeout(Duration::from_millis(200), client.read_u8()).await;
    assert!(early.is_err(), "it is frozen");
    redis.resume().await.unwrap();
    let mut pong = [0; 7];
    timeout(SOON, client.read_exact(&mut pong))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&pong, b"+PONG\r\n");
}

#[tokio::test]
async fn settings_reach_the_server_and_a_wrong_one_is_told() {
    let redis = Redis::builder()
        .setting("maxmemory", "10mb")
        .start()
        .await
        .unwrap();
    let mut client = connect(&redis).await;
    assert_eq!(ask(&mut client, "CONFIG GET maxmemory").await, "*2");
    for line in ["$9", "maxmemory", "$8", "10485760"] {
        assert_eq!(read_line(&mut client).await, line);
    }
    let error = Redis::builder()
        .setting("no-such", "x")
        .start()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no-such"), "{error}");
    assert!(!error.is_not_installed());
}

#[tokio::test]
async fn with_tls_it_speaks_to_who_trusts_its_authority() {
    let redis = Redis::builder().tls(true).start().await.unwrap();
    assert!(
        redis.url().starts_with("rediss://127.0.0.1:"),
        "{}",
        redis.url()
    );
    let mut trusted = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(redis.ca().unwrap().as_bytes()).unwrap();
    trusted.add(ca).unwrap();
    let name = "localhost".try_into().unwrap();
    let connect = async |roots: RootCertStore| {
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(redis.addr()).await.unwrap();
        let name: rustls::pki_types::ServerName<'static> = Clone::clone(&name);
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    };
    assert!(connect(RootCertStore::empty()).await.is_err());
    let mut client = connect(trusted).await.unwrap();
    assert_eq!(ask(&mut client, "PING").await, "+PONG");

    let mut plain = TcpStream::connect(redis.addr()).await.unwrap();
    plain.write_all(b"PING\r\n").await.unwrap();
    let answer = timeout(SOON, plain.read_u8()).await.unwrap();
    assert!(!matches!(answer, Ok(b'+')), "nothing in clear text");
}
