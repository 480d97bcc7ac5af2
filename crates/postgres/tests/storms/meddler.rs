use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::{PATIENCE, until};

/// What happens to a connection instead of a message of the server's.
#[derive(Clone, Debug)]
pub(crate) enum Meddling {
    Cut,
    /// This is heard, and nothing after it.
    Say(Vec<u8>),
}

/// Passes on the messages of a server one by one, until it is told otherwise. It leaves alone
/// the connection on which the server is asked how it is. Ends when it is dropped.
pub(crate) struct Meddler {
    pub(crate) addr: SocketAddr,
    told: Arc<Told>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Told {
    /// After so many messages, once.
    plan: Mutex<Option<(usize, Meddling)>>,
    /// How many connections are being opened, and how many were at most.
    opening: AtomicUsize,
    most: AtomicUsize,
    /// Connections but those on which the server is asked.
    calls: AtomicUsize,
    /// Rings when connections are to end.
    hung_up: Notify,
}

impl Meddler {
    pub(crate) async fn start(to: SocketAddr) -> Self {
        Self::slow(to, Duration::ZERO).await
    }

    /// Each connection takes so long to be opened.
    pub(crate) async fn slow(to: SocketAddr, by: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let told = Arc::new(Told::default());
        let (mut tasks, shared) = (JoinSet::new(), Arc::clone(&told));
        tasks.spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while carried.try_join_next().is_some() {}
                let told = Arc::clone(&shared);
                let opening = told.opening.fetch_add(1, Ordering::SeqCst) + 1;
                told.most.fetch_max(opening, Ordering::SeqCst);
                carried.spawn(async move {
                    sleep(by).await;
                    told.opening.fetch_sub(1, Ordering::SeqCst);
                    if let Ok(server) = TcpStream::connect(to).await {
                        carry(client, server, &told).await;
                    }
                });
            }
        });
        Self {
            addr,
            told,
            _tasks: tasks,
        }
    }

    pub(crate) fn after(&self, messages: usize, what: Meddling) {
        *self.told.plan.lock().unwrap() = Some((messages, what));
    }

    /// No connection of calls is left: the next call has to open one.
    pub(crate) async fn hang_up(&self) {
        self.told.hung_up.notify_waiters();
        until(PATIENCE, async || {
            self.told.calls.load(Ordering::SeqCst) == 0
        })
        .await;
        // Its client has to notice.
        sleep(Duration::from_millis(10)).await;
    }

    /// Whether it came to that.
    pub(crate) fn has_meddled(&self) -> bool {
        self.told.plan.lock().unwrap().is_none()
    }

    /// How many connections were being opened at one time, at most, since this was last asked.
    pub(crate) fn most_opening(&self) -> usize {
        self.told.most.swap(0, Ordering::SeqCst)
    }
}

impl Told {
    fn next(&self) -> Option<Meddling> {
        let mut plan = self.plan.lock().unwrap();
        match plan.as_mut() {
            Some((0, _)) => plan.take().map(|(_, what)| what),
            Some((messages, _)) => {
                *messages -= 1;
                None
            }
            None => None,
        }
    }
}

async fn carry(client: TcpStream, server: TcpStream, told: &Told) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let is_question = AtomicBool::new(false);
    told.calls.fetch_add(1, Ordering::SeqCst);
    // Cancel safety: whichever way ends first, both are closed.
    tokio::select! {
        _ = listen(from_client, to_server, told, &is_question) => {}
        _ = speak(from_server, to_client, told, &is_question) => {}
    }
    if !is_question.into_inner() {
        told.calls.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn listen(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    told: &Told,
    is_question: &AtomicBool,
) -> std::io::Result<()> {
    const QUESTION: &[u8] = b"pg_is_in_recovery";
    let mut bytes = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut bytes).await?;
        let read = &bytes[..count];
        let asks = read.windows(QUESTION.len()).any(|part| part == QUESTION);
        if asks && !is_question.swap(true, Ordering::Relaxed) {
            told.calls.fetch_sub(1, Ordering::SeqCst);
        }
        if count == 0 {
            return Ok(());
        }
        to.write_all(read).await?;
    }
}

async fn speak(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    told: &Told,
    is_question: &AtomicBool,
) -> std::io::Result<()> {
    loop {
        let mut message = vec![0; 5];
        let heard = tokio::select! {
            heard = from.read_exact(&mut message) => Some(heard?),
            () = told.hung_up.notified(), if !is_question.load(Ordering::Relaxed) => None,
        };
        if heard.is_none() {
            return Ok(());
        }
        let is_question = is_question.load(Ordering::Relaxed);
        let length = u32::from_be_bytes(message[1..].try_into().unwrap());
        message.resize(usize::try_from(length).unwrap() + 1, 0);
        from.read_exact(&mut message[5..]).await?;
        if !is_question {
            match told.next() {
                None => {}
                Some(Meddling::Cut) => return Ok(()),
                Some(Meddling::Say(bytes)) => {
                    to.write_all(&bytes).await?;
                    return pending().await;
                }
            }
        }
        to.write_all(&message).await?;
    }
}
