//! A Redis server does what a test does to it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use towerblock_testkit::Redis;

#[tokio::test]
async fn a_restart_is_empty_unless_the_server_keeps_its_data() {
    for (keeps, found) in [(false, "$-1"), (true, "$5")] {
        let redis = Redis::builder().keep_data(keeps).start().await.unwrap();
        assert_eq!(ask(&redis, "set name tower").await.unwrap(), "+OK");
        redis.kill().await.unwrap();
        assert!(ask(&redis, "ping").await.is_err(), "answered after SIGKILL");
        redis.start().await.unwrap();
        assert_eq!(ask(&redis, "get name").await.unwrap(), found);

        redis.stop().await.unwrap();
        redis.start().await.unwrap();
        assert_eq!(ask(&redis, "get name").await.unwrap(), found);

        redis.start_empty().await.unwrap();
        assert_eq!(ask(&redis, "get name").await.unwrap(), "$-1");
    }
}

#[tokio::test]
async fn a_paused_server_answers_when_it_is_resumed() {
    let redis = Redis::builder().start().await.unwrap();
    redis.pause().await.unwrap();
    let mut answer = Box::pin(ask(&redis, "ping"));
    let hung = timeout(Duration::from_millis(200), &mut answer).await;
    assert!(hung.is_err(), "answered while frozen");
    redis.resume().await.unwrap();
    assert_eq!(answer.await.unwrap(), "+PONG");
}

#[tokio::test]
async fn settings_are_lines_of_its_configuration() {
    let builder = Redis::builder().setting("databases", "3");
    let redis = builder.clone().start().await.unwrap();
    assert_eq!(redis.url(), format!("redis://{}", redis.addr()));
    assert_eq!(ask(&redis, "select 2").await.unwrap(), "+OK");
    assert!(ask(&redis, "select 3").await.unwrap().starts_with("-ERR"));

    let error = builder.setting("no-such-thing", "1").start().await;
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("redis-server") && text.contains("no-such-thing"),
        "{text}"
    );
}

#[tokio::test]
async fn tls_is_accepted_with_the_authority_and_refused_without() {
    let redis = Redis::builder().tls(true).start().await.unwrap();
    assert_eq!(redis.url(), format!("rediss://{}", redis.addr()));
    let mut roots = RootCertStore::empty();
    let strange = ask_tls(&redis, roots.clone()).await.unwrap_err();
    assert!(strange.to_string().contains("UnknownIssuer"), "{strange}");
    roots
        .add(CertificateDer::from_pem_slice(redis.ca().unwrap().as_bytes()).unwrap())
        .unwrap();
    assert_eq!(ask_tls(&redis, roots).await.unwrap(), "+PONG");
    assert_ne!(ask(&redis, "ping").await.unwrap_or_default(), "+PONG");
}

async fn ask(redis: &Redis, command: &str) -> io::Result<String> {
    line(TcpStream::connect(redis.addr()).await?, command).await
}

async fn ask_tls(redis: &Redis, roots: RootCertStore) -> io::Result<String> {
    let provider = rustls::crypto::ring::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(redis.addr()).await?;
    let name = ServerName::from(redis.addr().ip());
    let connector = TlsConnector::from(Arc::new(config));
    line(connector.connect(name, socket).await?, "ping").await
}

/// The first line of the answer.
async fn line(socket: impl AsyncRead + AsyncWrite + Unpin, command: &str) -> io::Result<String> {
    let mut socket = BufReader::new(socket);
    socket
        .write_all(format!("{command}\r\n").as_bytes())
        .await?;
    socket.flush().await?;
    let mut line = String::new();
    socket.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}
