//! `cargo run --example lifecycle`: a service that gets SIGTERM while requests are in flight, beside clients
//! that never go and a hook that hangs.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::future::pending;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use towerblock_core::BoxError;
use towerblock_lifecycle::{Check, Deadlines, Fault, Health, Lifecycle, Phase};

const DRAIN: Duration = Duration::from_millis(300);
const GRACE: Duration = Duration::from_millis(700);
const PATIENCE: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // Shorter than anywhere else: nobody has to notice.
    let deadlines = Deadlines::default().drain(DRAIN).grace(GRACE);
    let lifecycle = Lifecycle::new(deadlines);
    lifecycle.stop_on_signals()?;
    let start = Instant::now();
    tokio::spawn(tell(lifecycle.clone(), start));
    lifecycle.on_close("the pool", PATIENCE, || async {
        println!("the pool closes");
    });
    lifecycle.on_close("a hook that hangs", PATIENCE, pending::<()>);
    lifecycle.on_close("metrics", PATIENCE, || async {
        println!("metrics are flushed");
    });

    let health = Health::start(
        &lifecycle,
        [
            Check::critical("database", || async { Ok(()) }),
            Check::degraded("circuit:search", || async {
                Err("the circuit is open".into())
            }),
        ],
    );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = lifecycle.serve(listener, routes(&lifecycle, &health));
    let (ending, asked) = tokio::join!(lifecycle.run(serving), clients(&lifecycle, address));
    asked?;

    println!("it ended after {:.1?}: {ending:?}", start.elapsed());
    assert!(ending.aborted, "the events never end");
    assert_eq!(ending.unfinished, [("a hook that hangs", Fault::TimedOut)]);
    assert!(start.elapsed() < Duration::from_secs(3));
    Ok(())
}

fn routes(lifecycle: &Lifecycle, health: &Health) -> Router {
    let told = lifecycle.clone();
    let wait = async move || {
        told.until(Phase::Draining).await;
        "told to go"
    };
    let slow = async || {
        sleep(Duration::from_millis(500)).await;
        "slow, and done"
    };
    // Without an end, and deaf.
    let events = async || {
        let first = stream::iter([Ok::<_, BoxError>("data: first\n\n")]);
        Body::from_stream(stream::StreamExt::chain(first, stream::pending()))
    };
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/slow", get(slow))
        .route("/wait", get(wait))
        .route("/events", get(events))
        .route_service("/readyz", health.readyz())
        .route_service("/health", health.report().details_for(|_| true))
}

async fn clients(lifecycle: &Lifecycle, address: SocketAddr) -> Result<(), BoxError> {
    let ask = |path: &'static str| ask(address, path);
    println!("before it is ready: {}", ask("/readyz").await?);
    lifecycle.ready();
    // The database has to answer once.
    while !ask("/readyz").await?.starts_with("200") {
        tokio::task::yield_now().await;
    }
    println!(
        "ready, for the circuit is not critical: {}",
        ask("/health").await?
    );

    let mut events = TcpStream::connect(address).await?;
    events
        .write_all(b"GET /events HTTP/1.1\r\nhost: example\r\n\r\n")
        .await?;
    events.read_u8().await?;
    let mut idle = TcpStream::connect(address).await?;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: example\r\n\r\n")
        .await?;
    idle.read_u8().await?;
    let in_flight = async { tokio::try_join!(ask("/slow"), ask("/wait")) };
    let late = async {
        while lifecycle.connections() < 4 {
            tokio::task::yield_now().await;
        }
        terminate()?;
        lifecycle.until(Phase::Draining).await;
        let (ready, served) = tokio::try_join!(ask("/readyz"), ask("/"))?;
        println!("while draining: {ready}, and still served: {served}");
        assert!(ready.starts_with("503") && served.starts_with("200"));
        lifecycle.until(Phase::Closing).await;
        while TcpStream::connect(address).await.is_ok() {}
        println!("while closing, nobody can connect");
        Ok::<_, BoxError>(())
    };
    let ((slow, wait), ()) = tokio::try_join!(in_flight, late)?;
    println!("in flight: {slow}; {wait}");
    assert!(slow.starts_with("200") && wait.starts_with("200"));
    // Closed at once, and cut off: both are over.
    idle.read_to_end(&mut Vec::new()).await?;
    let _ended_or_reset = events.read_to_end(&mut Vec::new()).await;
    Ok(())
}

/// As an orchestrator does.
fn terminate() -> std::io::Result<()> {
    let pid = std::process::id().to_string();
    Command::new("kill").arg(pid).status().map(drop)
}

/// The status and the body, over a connection of its own.
async fn ask(address: SocketAddr, path: &str) -> Result<String, BoxError> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: example\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    Ok(format!("{status} {}", body.trim()))
}

async fn tell(lifecycle: Lifecycle, start: Instant) {
    let mut phases = lifecycle.watch();
    while phases.changed().await.is_ok() {
        let phase = *phases.borrow_and_update();
        println!("{:>6.1?}  {phase:?}", start.elapsed());
    }
}
