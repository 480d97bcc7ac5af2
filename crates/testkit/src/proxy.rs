//! Faults of the network between a client and a server.

mod carry;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use self::carry::carry;

/// A TCP proxy on the loopback interface that fails as it is told, while it is used.
///
/// Faults add up until [`heal`](Self::heal). Its tasks end when it is dropped, and so do
/// the connections through it.
///
/// ```
/// use towerblock_testkit::{Direction, Proxy};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let proxy = Proxy::start(server.local_addr()?).await?;
/// let client = tokio::net::TcpStream::connect(proxy.addr()).await?;
/// proxy.lose(Direction::ToClient);
/// # drop(client);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    faults: watch::Sender<Faults>,
    accepting: JoinHandle<()>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Direction {
    /// What the server says.
    ToClient,
    /// What the client says.
    ToServer,
}

#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    delay: Duration,
    bytes_per_second: Option<NonZeroU32>,
    loses_to_client: bool,
    loses_to_server: bool,
    refuses: bool,
    /// How often connections were ended, and how the last time.
    ends: u64,
    end: End,
}

/// What becomes of the connections that there are.
#[derive(Clone, Copy, Debug, Default)]
enum End {
    #[default]
    Cut,
    HalfOpen,
    Reset,
}

impl Proxy {
    /// Listens on a free port, and connects each client to `upstream`.
    ///
    /// # Errors
    ///
    /// When no port can be listened on.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let (faults, told) = watch::channel(Faults::default());
        let accepting = tokio::spawn(accept(listener, addr, upstream, told));
        Ok(Self {
            addr,
            faults,
            accepting,
        })
    }

    /// Where clients connect to.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Everything arrives later by this much, each way; the order and the rate stay.
    pub fn delay(&self, delay: Duration) {
        self.faults.send_modify(|faults| faults.delay = delay);
    }

    /// Each connection carries no more than this, each way.
    pub fn throttle(&self, bytes_per_second: NonZeroU32) {
        let rate = Some(bytes_per_second);
        self.faults
            .send_modify(|faults| faults.bytes_per_second = rate);
    }

    /// What goes this way is taken and lost; both ends believe that they are connected.
    pub fn lose(&self, direction: Direction) {
        self.faults.send_modify(|faults| match direction {
            Direction::ToClient => faults.loses_to_client = true,
            Direction::ToServer => faults.loses_to_server = true,
        });
    }

    /// Nothing listens any more: new connections are refused. Those that there are stay.
    pub fn refuse(&self) {
        self.faults.send_modify(|faults| faults.refuses = true);
    }

    /// Closes all connections in order: both ends read their end.
    pub fn cut(&self) {
        self.end(End::Cut);
    }

    /// Resets all connections: both ends get an error.
    pub fn reset(&self) {
        self.end(End::Reset);
    }

    /// The server's end of all connections is closed, and the clients do not learn of it:
    /// theirs stay open, and whatever they send is lost.
    pub fn half_open(&self) {
        self.end(End::HalfOpen);
    }

    /// Ends all faults. Connections that were ended stay so; half-open ones are cut.
    pub fn heal(&self) {
        self.faults.send_modify(|faults| {
            *faults = Faults {
                ends: faults.ends,
                end: faults.end,
                ..Faults::default()
            };
        });
    }

    fn end(&self, end: End) {
        self.faults.send_modify(|faults| {
            faults.ends += 1;
            faults.end = end;
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Faults {
    const fn loses(&self, direction: Direction) -> bool {
        match direction {
            Direction::ToClient => self.loses_to_client,
            Direction::ToServer => self.loses_to_server,
        }
    }
}

async fn accept(
    first: TcpListener,
    addr: SocketAddr,
    upstream: SocketAddr,
    mut faults: watch::Receiver<Faults>,
) {
    // Aborted with this task.
    let mut connections = JoinSet::new();
    let mut listener = Some(first);
    loop {
        let refuses = faults.borrow_and_update().refuses;
        if refuses {
            listener = None;
        } else if listener.is_none() {
            // The port may be taken for a moment by a connection that is closing.
            listener = TcpListener::bind(addr).await.ok();
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await.ok(),
                None if refuses => std::future::pending().await,
                None => {
                    sleep(Duration::from_millis(10)).await;
                    None
                }
            }
        };
        tokio::select! {
            accepted = accepted => {
                if let Some((client, _)) = accepted {
                    connections.spawn(carry(client, upstream, faults.clone()));
                }
            }
            changed = faults.changed() => if changed.is_err() { return },
            Some(_) = connections.join_next() => {}
        }
    }
}
