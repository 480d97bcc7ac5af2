mod connection;
mod faults;
mod pump;

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet, yield_now};
use tokio::time::{sleep, timeout};

pub use self::faults::Direction;
use self::faults::{Ending, Faults, Flow};
use crate::error::Context;
use crate::{Error, port};

/// A TCP proxy whose network fails as a test says, on a free port of the loopback address.
///
/// Faults act at once, on the connections there are and on new ones, and add up until
/// [`heal`](Self::heal). It is good for several tests in a row, and its tasks end when it is
/// dropped, or with the runtime it was started on.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    faults: watch::Sender<Faults>,
    /// How many connections are open, and whether new ones are accepted.
    state: watch::Receiver<State>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    open: usize,
    refuses: bool,
    /// The last [`Ending`] that all connections have heard of.
    ended: u64,
}

impl Proxy {
    /// Passes everything on to `upstream`, which may be away: clients are reset then.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub async fn start(upstream: SocketAddr) -> Result<Self, Error> {
        let context = || "cannot listen on 127.0.0.1".to_owned();
        let listener = TcpListener::bind(port::at(0)).await.context(context)?;
        let addr = listener.local_addr().context(context)?;
        let faults = watch::Sender::new(Faults::default());
        let (report, state) = watch::channel(State::default());
        let acceptor = Acceptor {
            addr,
            upstream,
            faults: faults.subscribe(),
            state: report,
            connections: JoinSet::new(),
        };
        Ok(Self {
            addr,
            faults,
            state,
            task: tokio::spawn(acceptor.run(listener)),
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.borrow().open
    }

    /// Every byte takes this much longer, in each direction.
    pub fn delay(&self, by: Duration) {
        self.faults.send_modify(|faults| faults.delay = by);
    }

    /// No connection carries more than this, in each direction.
    pub fn throttle(&self, bytes_per_second: u32) {
        self.faults
            .send_modify(|faults| faults.rate = Some(bytes_per_second.max(1)));
    }

    /// Takes bytes and the end of the stream, and passes nothing on: a partition, as the sender
    /// sees it while its window is open.
    pub fn drop_bytes(&self, direction: Direction) {
        self.set(direction, Flow::Swallow);
    }

    /// Takes nothing and passes nothing on, not even that one end has closed: the peer has
    /// vanished without a word, and the sender's buffers fill.
    pub fn half_open(&self, direction: Direction) {
        self.set(direction, Flow::Stall);
    }

    /// Closes the connections there are in good order, and waits until they are closed.
    pub async fn cut(&self) {
        self.end(false).await;
    }

    /// Resets the connections there are, and waits until they are.
    pub async fn reset(&self) {
        self.end(true).await;
    }

    /// Refuses new connections, as a port that nobody listens on, and leaves alone those there
    /// are. In effect when this returns.
    pub async fn refuse(&self) {
        self.set_refuse(true).await;
    }

    /// Ends all faults. What was delayed or held back flows; what was dropped is lost.
    pub async fn heal(&self) {
        self.faults.send_modify(|faults| {
            *faults = Faults {
                ending: faults.ending,
                ..Faults::default()
            };
        });
        self.set_refuse(false).await;
    }

    fn set(&self, direction: Direction, flow: Flow) {
        self.faults.send_modify(|faults| {
            if direction != Direction::ToClient {
                faults.to_server = flow;
            }
            if direction != Direction::ToServer {
                faults.to_client = flow;
            }
        });
    }

    async fn set_refuse(&self, refuse: bool) {
        self.faults.send_modify(|faults| faults.refuse = refuse);
        let mut state = self.state.clone();
        let _stopped = state.wait_for(|state| state.refuses == refuse).await;
    }

    async fn end(&self, by_reset: bool) {
        let mut number = 0;
        self.faults.send_modify(|faults| {
            number = faults.ending.number + 1;
            faults.ending = Ending { number, by_reset };
        });
        let mut state = self.state.clone();
        let _stopped = state.wait_for(|state| state.ended >= number).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its connections are tasks of a set that it owns, and end with it.
        self.task.abort();
    }
}

struct Acceptor {
    addr: SocketAddr,
    upstream: SocketAddr,
    faults: watch::Receiver<Faults>,
    state: watch::Sender<State>,
    connections: JoinSet<()>,
}

impl Acceptor {
    async fn run(mut self, listener: TcpListener) {
        let mut listener = Some(listener);
        loop {
            let faults = *self.faults.borrow_and_update();
            self.obey(faults, &mut listener).await;
            tokio::select! {
                client = accept(listener.as_ref()) => self.carry(client),
                Some(_) = self.connections.join_next() => {}
                changed = self.faults.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
            let open = self.connections.len();
            self.state.send_modify(|state| state.open = open);
        }
    }

    fn carry(&mut self, client: io::Result<TcpStream>) {
        let before = self.state.borrow().ended;
        let faults = self.faults.clone();
        if let Ok(client) = client {
            self.connections
                .spawn(connection::carry(client, self.upstream, faults, before));
        }
    }

    async fn obey(&mut self, faults: Faults, listener: &mut Option<TcpListener>) {
        if faults.ending.number > self.state.borrow().ended {
            // Who is connected, for all the client knows, and not yet accepted, ends as well.
            yield_now().await;
            while let Ok(client) = timeout(Duration::ZERO, accept(listener.as_ref())).await {
                self.carry(client);
            }
            // Each ends by itself, for it alone can reset its sockets.
            while self.connections.join_next().await.is_some() {}
            self.state.send_modify(|state| {
                state.open = 0;
                state.ended = faults.ending.number;
            });
        }
        if faults.refuse {
            *listener = None;
        }
        while listener.is_none() && !faults.refuse {
            *listener = listen(self.addr).ok();
            if listener.is_none() {
                // Somebody's connection has the port for the moment.
                sleep(Duration::from_millis(10)).await;
            }
        }
        self.state
            .send_modify(|state| state.refuses = faults.refuse);
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => pending().await,
    }
}

/// Connections of the listener before may still hold the port.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(1024)
}
