//! A private PostgreSQL, for a machine where nobody set one up.

use towerblock_core::BoxError;
use towerblock_testkit::Postgres;

use crate::config::{Config, Database, Secret};

/// A primary and a standby; they run until this is dropped, or until this process ends,
/// however it ends.
#[derive(Debug)]
pub(crate) struct Embedded {
    _servers: Postgres,
}

impl Embedded {
    pub(crate) fn is_available() -> bool {
        Postgres::is_installed()
    }

    /// Starts both, and has `config` name them.
    pub(crate) async fn start(config: &mut Config) -> Result<Self, BoxError> {
        // Ours, the standby's own, and some for whoever wants to look.
        let (primary, replica) = (config.database_pool_max, config.database_replica_pool_max);
        let connections = primary.get() + replica.get() + 20;
        let servers = Postgres::builder()
            .standbys(1)
            .setting("max_connections", connections.to_string())
            .start()
            .await?;
        let primary = Secret::new(servers.primary().url());
        config.database_url = Some(Database::Postgres(primary));
        let standbys = servers.standbys().iter();
        let standbys = standbys.map(|standby| Secret::new(standby.url()));
        config.database_read_replicas = standbys.collect();
        Ok(Self { _servers: servers })
    }
}
