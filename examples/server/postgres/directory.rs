//! One connection that all lookups of tenants share, one behind another.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_postgres::{Client, Config, NoTls};
use towerblock_core::BoxError;

use super::manager::CONNECT_TIMEOUT;

/// The schema of the tables that say who the tenants are.
pub(super) const DIRECTORY: &str = "towerblock_directory";
/// A peer that acknowledges nothing for so long is gone; a server that hangs acknowledges.
const SILENCE: Duration = Duration::from_secs(2);

/// A lookup that took this long has been given up, or will be.
const UNANSWERED: Duration = Duration::from_millis(900);

#[derive(Debug)]
pub(super) struct Directory {
    config: Config,
    client: Arc<Mutex<Option<Arc<Client>>>>,
}

impl Directory {
    pub(super) fn new(config: &Config) -> Self {
        let mut config = config.clone();
        let options = config.get_options().unwrap_or_default();
        let options = format!("{options} -c search_path={DIRECTORY} -c statement_timeout=1s");
        config
            .options(options)
            .application_name("towerblock-server-directory")
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(SILENCE);
        let client = Arc::default();
        Self { config, client }
    }

    /// The connection, opened anew if it was lost. Cancel safety: who is dropped here leaves
    /// the others to open it.
    pub(super) async fn lease(&self) -> Result<Lease, BoxError> {
        let mut open = self.client.lock().await;
        let client = match open.as_ref().filter(|client| !client.is_closed()) {
            Some(client) => Arc::clone(client),
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                // Ends with its client.
                tokio::spawn(connection);
                Arc::clone(open.insert(Arc::new(client)))
            }
        };
        Ok(Lease {
            client,
            since: Instant::now(),
            open: Arc::clone(&self.client),
        })
    }
}

/// The connection, for one lookup. When that was given up, so is the connection: what was
/// asked on it would be answered before anything that is asked later.
#[derive(Debug)]
pub(super) struct Lease {
    client: Arc<Client>,
    since: Instant,
    open: Arc<Mutex<Option<Arc<Client>>>>,
}

impl Deref for Lease {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.since.elapsed() < UNANSWERED {
            return;
        }
        // Whoever holds the lock is opening another.
        if let Ok(mut open) = self.open.try_lock() {
            open.take_if(|open| Arc::ptr_eq(open, &self.client));
        }
    }
}
