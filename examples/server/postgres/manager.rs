//! What bb8-postgres leaves open: connections that are not fit to be used again.

use std::time::Duration;

use bb8::ManageConnection;
use bb8_postgres::PostgresConnectionManager;
use tokio_postgres::{Client, NoTls};
use towerblock_core::BoxError;

/// For all of it: a server that accepts and says nothing is as good as none.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Manager(PostgresConnectionManager<NoTls>);

/// A connection, and whether an answer is outstanding: whoever waited for it may be gone.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) in_flight: bool,
}

impl Manager {
    pub(super) fn new(mut config: tokio_postgres::Config) -> Self {
        config
            .application_name("towerblock-server")
            .connect_timeout(CONNECT_TIMEOUT);
        Self(PostgresConnectionManager::new(config, NoTls))
    }
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = BoxError;

    async fn connect(&self) -> Result<Connection, BoxError> {
        let client = self.0.connect().await?;
        let in_flight = false;
        Ok(Connection { client, in_flight })
    }

    async fn is_valid(&self, connection: &mut Connection) -> Result<(), BoxError> {
        Ok(self.0.is_valid(&mut connection.client).await?)
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.in_flight || connection.client.is_closed()
    }
}
