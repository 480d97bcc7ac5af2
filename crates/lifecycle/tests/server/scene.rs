//! The other process: a server with a route for each way to take long.

use std::convert::Infallible;
use std::env;
use std::future::pending;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Router, extract::Request};
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::sleep;
use towerblock_lifecycle::{Deadlines, Health, InFlightLayer, Lifecycle, Phase};

use crate::process::SCENE;

/// Alone, with no scene set, it has nothing to do.
#[expect(clippy::exit, reason = "it is a program")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn act() {
    let Ok(scene) = env::var(SCENE) else { return };
    let [drain, grace, close] = milliseconds(&scene);
    let deadlines = Deadlines::default().drain(drain).grace(grace).close(close);
    let lifecycle = Lifecycle::new(deadlines);
    lifecycle.stop_on_signals().unwrap();
    lifecycle.stop_on_signals().unwrap();
    lifecycle.on_close("first", Duration::from_secs(1), || async {
        println!("closed first");
    });
    if scene.contains("hang") {
        let within = Duration::from_millis(400);
        lifecycle.on_close("hangs", within, pending::<()>);
    }
    lifecycle.on_close("last", Duration::from_secs(1), || async {
        println!("closed last");
    });
    let listener = TcpListener::bind(("127.0.0.1", port(&scene)))
        .await
        .unwrap();
    println!("\nlistening {}", listener.local_addr().unwrap());
    if scene.contains("starting") {
        lifecycle.until(Phase::Draining).await;
    }
    lifecycle.ready();
    let serving = lifecycle.serve(listener, routes(&lifecycle));
    let ending = lifecycle.run(serving).await;
    println!("ended aborted={} {:?}", ending.aborted, ending.unfinished);
    std::process::exit(i32::from(!ending.is_clean()));
}

/// Any, unless it is said.
fn port(scene: &str) -> u16 {
    let port = scene.split(' ').find_map(|word| word.strip_prefix("port="));
    port.map_or(0, |port| port.parse().unwrap())
}

/// The first three words.
fn milliseconds(scene: &str) -> [Duration; 3] {
    let mut words = scene.split(' ');
    [(); 3].map(|()| Duration::from_millis(words.next().unwrap().parse().unwrap()))
}

fn routes(lifecycle: &Lifecycle) -> Router {
    let health = Health::start(lifecycle, []);
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/slow/{ms}", get(slow).post(slow))
        .route("/big", get(big))
        .route("/read", get(read).post(read))
        .route("/events/{manners}", get(events))
        .route("/upgrade/{manners}", get(upgrade))
        .layer(InFlightLayer::new(lifecycle))
        .route_service("/readyz", health.readyz())
        .with_state(lifecycle.clone())
}

async fn slow(Path(ms): Path<u64>) -> &'static str {
    sleep(Duration::from_millis(ms)).await;
    "slow"
}

/// More than any buffer on the way takes.
async fn big() -> Body {
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    Body::from_stream(stream::iter(
        (0..64).map(move |_| Ok::<_, Infallible>(chunk.clone())),
    ))
}

async fn read(body: Bytes) -> String {
    body.len().to_string()
}

/// Events for ever, or until the service asks for an end.
async fn events(State(lifecycle): State<Lifecycle>, Path(manners): Path<String>) -> Body {
    let ticks = stream::unfold((), |()| async {
        Some((
            Ok::<_, Infallible>("data: tick\n\n"),
            sleep(Duration::from_millis(50)).await,
        ))
    });
    if manners == "polite" {
        return Body::from_stream(ticks.take_until(lifecycle.until(Phase::Draining)));
    }
    Body::from_stream(ticks)
}

/// An echo over the bare connection, as a WebSocket is.
async fn upgrade(
    State(lifecycle): State<Lifecycle>,
    Path(manners): Path<String>,
    mut req: Request,
) -> Response {
    let upgrading = hyper::upgrade::on(&mut req);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgrading.await.unwrap());
        let mut draining = std::pin::pin!(lifecycle.until(Phase::Draining));
        let mut buf = [0; 64];
        loop {
            tokio::select! {
                read = io.read(&mut buf) => {
                    // Cut off, or the client has gone.
                    let Ok(read @ 1..) = read else { return };
                    io.write_all(buf.get(..read).unwrap()).await.unwrap();
                }
                () = draining.as_mut(), if manners == "polite" => {
                    io.write_all(b"bye").await.unwrap();
                    return;
                }
            }
        }
    });
    let headers = [("connection", "upgrade"), ("upgrade", "echo")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}
