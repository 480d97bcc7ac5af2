//! What becomes of connections when the program is asked to end.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::Instant;

use crate::caching::metric;
use crate::database::until;
use crate::program::Server;

const GRACE: Duration = Duration::from_millis(700);
/// For two cores that build something else.
const ROOM: Duration = Duration::from_millis(1_500);
const ANSWERED: &str = r#"tenant_requests_total{tenant="acme"}"#;

fn start() -> Server {
    let grace = GRACE.as_millis().to_string();
    Server::start(&[("DATABASE_URL", "memory:"), ("GRACE_MS", &grace)])
}

/// A client that reads little at once, and has sent this.
async fn client(server: &Server, text: &str) -> std::net::TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    let mut stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// Asks it to end: how it did, and how long that took.
fn ended(mut server: Server) -> (Option<i32>, Duration) {
    let asked = Instant::now();
    server.terminate();
    let code = server.process.wait().unwrap().code();
    (code, asked.elapsed())
}

fn was_cut_off((code, took): (Option<i32>, Duration), what: &str) {
    println!("{what}: ended with {code:?} after {took:?}");
    assert_eq!(code, Some(1), "{what}: cut off");
    assert!(took >= GRACE, "{what}: {took:?}");
    assert!(took < GRACE + ROOM, "{what}: {took:?}");
}

#[tokio::test]
async fn who_is_idle_is_not_waited_for() {
    let server = start();
    let get = "GET /api/v1/plugins HTTP/1.1\r\nhost: acme.localhost\r\n\r\n";
    let mut idle = client(&server, get).await;
    assert!(idle.read(&mut [0; 64]).unwrap() > 0);
    let (code, took) = ended(server);
    println!("idle: ended with {code:?} after {took:?}");
    // What is left of the answer ends with the connection.
    idle.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(code, Some(0));
    assert!(took < GRACE + ROOM, "{took:?}");
}

#[tokio::test]
async fn who_has_sent_half_is_waited_for_until_the_grace_is_over() {
    for half in [
        "GET /api/v1/plugins HTTP/1.1\r\nhost: ac",
        "POST /api/v1/plugins HTTP/1.1\r\nhost: acme.localhost\r\n\
         content-type: application/json\r\ncontent-length: 99\r\n\r\n{\"na",
    ] {
        let server = start();
        let client = client(&server, half).await;
        // Accepted after that one.
        assert_eq!(crate::database::probe(&server, "/livez"), 200);
        was_cut_off(ended(server), half.split(' ').next().unwrap());
        drop(client);
    }
}

#[tokio::test]
async fn who_does_not_read_is_waited_for_until_the_grace_is_over() {
    let server = start();
    let get = "GET /api/v1/plugins?limit=100 HTTP/1.1\r\nhost: acme.localhost\r\n\r\n";
    let client = client(&server, &get.repeat(1_000)).await;
    let (mut answered, mut same) = (0, 0);
    until("stuck", || {
        let now = metric(&server, ANSWERED);
        same = if now == answered { same + 1 } else { 0 };
        answered = now;
        same == 10 && answered > 0
    })
    .await;
    assert!(answered < 1_000, "{answered}");
    was_cut_off(ended(server), "slow reader");
    drop(client);
}
