use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Counts the connections that pass it. Ends with its runtime, or when it is dropped.
pub(crate) struct Relay {
    pub(crate) addr: SocketAddr,
    count: Arc<AtomicUsize>,
    to: watch::Sender<SocketAddr>,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub(crate) async fn start(to: SocketAddr) -> Self {
        Self::slow(to, Duration::ZERO).await
    }

    /// Each connection takes so long to be made.
    pub(crate) async fn slow(to: SocketAddr, by: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let counted = Arc::clone(&count);
        let (sender, leads) = watch::channel(to);
        tasks.spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                while carried.try_join_next().is_some() {}
                let to = *leads.borrow();
                carried.spawn(async move {
                    sleep(by).await;
                    if let Ok(mut server) = TcpStream::connect(to).await {
                        let _ = (client.set_nodelay(true), server.set_nodelay(true));
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self {
            addr,
            count,
            to: sender,
            _tasks: tasks,
        }
    }

    /// New connections; those that there are stay where they are.
    pub(crate) fn lead_to(&self, to: SocketAddr) {
        self.to.send_replace(to);
    }

    /// How many there were so far.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}
