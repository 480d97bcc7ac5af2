use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use memchr::memmem::Finder;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

const REQUEST: &[u8] = b"GET /api/v1/plugins?limit=7 HTTP/1.1\r\nhost: acme.localhost:8080\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";
/// Holds a request or a response as a whole: nobody waits for room.
const ROOM: usize = 16 * 1_024;

/// Serves `router` to a client in this thread, over a connection in memory.
///
/// HTTP is real, sockets are not: what remains is what the router and hyper do, and it
/// repeats.
#[expect(
    clippy::expect_used,
    reason = "a measurement that went wrong must not print a figure"
)]
// Callgrind counts from here on, by this name.
#[inline(never)]
pub(crate) fn exchange(runtime: &Runtime, router: Router, requests: u32) -> usize {
    runtime.block_on(async {
        let (mut client, served) = Client::connect(router);
        let length = client.get(REQUEST).await;
        for _ in 1..requests {
            assert_eq!(client.get(REQUEST).await, length, "all answers are as long");
        }
        // The connection ends with its client.
        drop(client);
        let ended = served.await.expect("the server does not panic");
        ended.expect("the client keeps to HTTP");
        length
    })
}

/// A client that does as little as one can: what it costs is in every figure.
#[derive(Debug)]
pub struct Client {
    stream: DuplexStream,
    read: Box<[u8; ROOM]>,
    head_end: Finder<'static>,
    content_length: Finder<'static>,
}

impl Client {
    /// Has `router` served in a task of its own, over a connection in memory that ends with
    /// this client.
    #[must_use]
    pub fn connect(router: Router) -> (Self, JoinHandle<Result<(), hyper::Error>>) {
        let (near, far) = tokio::io::duplex(ROOM);
        let service = TowerToHyperService::new(router);
        let served = http1::Builder::new().serve_connection(TokioIo::new(far), service);
        let client = Self {
            stream: near,
            read: Box::new([0; ROOM]),
            head_end: Finder::new("\r\n\r\n"),
            content_length: Finder::new("\r\ncontent-length: "),
        };
        (client, tokio::spawn(served))
    }

    /// Sends a request and reads the whole response; the length of its body.
    ///
    /// # Panics
    ///
    /// When the answer is no 200, or does not come.
    #[expect(
        clippy::expect_used,
        reason = "a measurement that went wrong must not print a figure"
    )]
    pub async fn get(&mut self, request: &[u8]) -> usize {
        let sent = self.stream.write_all(request).await;
        sent.expect("the server reads");
        let mut filled = 0;
        loop {
            let (_, room) = self.read.split_at_mut(filled);
            let read = self.stream.read(room).await.expect("the server answers");
            assert_ne!(
                read, 0,
                "the server closed, or its answer is over {ROOM} bytes"
            );
            filled += read;
            let (seen, _) = self.read.split_at(filled);
            let Some(head) = self.head_end.find(seen) else {
                continue;
            };
            let (head, rest) = seen.split_at(head);
            assert!(head.starts_with(OK), "{}", String::from_utf8_lossy(head));
            let length = self.announced(head).expect("a content-length");
            let body = rest.len() - self.head_end.needle().len();
            assert!(body <= length, "the answer is longer than it says");
            if body == length {
                return length;
            }
        }
    }

    fn announced(&self, head: &[u8]) -> Option<usize> {
        let start = self.content_length.find(head)? + self.content_length.needle().len();
        let digits = head.get(start..)?.iter().take_while(|b| b.is_ascii_digit());
        let digit = |sum: usize, b: &u8| sum.checked_mul(10)?.checked_add((b - b'0').into());
        digits.copied().try_fold(0, |sum, b| digit(sum, &b))
    }
}
