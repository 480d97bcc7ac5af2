//! One connection that all lookups of tenants share, one behind another.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::{Client, Config, NoTls};
use towerblock_core::BoxError;

use super::manager::CONNECT_TIMEOUT;

/// The schema of the tables that say who the tenants are.
pub(super) const DIRECTORY: &str = "towerblock_directory";
/// A peer that acknowledges nothing for so long is gone; a server that hangs acknowledges.
const SILENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Directory {
    config: Config,
    client: Mutex<Option<Arc<Client>>>,
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
        let client = Mutex::default();
        Self { config, client }
    }

    /// The connection, opened anew if it was lost. Cancel safety: who is dropped here leaves
    /// the others to open it.
    pub(super) async fn client(&self) -> Result<Arc<Client>, BoxError> {
        let mut open = self.client.lock().await;
        if let Some(client) = open.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let (client, connection) = self.config.connect(NoTls).await?;
        // Ends with its client.
        tokio::spawn(connection);
        let client = Arc::new(client);
        *open = Some(Arc::clone(&client));
        Ok(client)
    }
}
