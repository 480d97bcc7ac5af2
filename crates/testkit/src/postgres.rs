mod builder;
mod server;
mod sql;
mod template;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub use self::{builder::PostgresBuilder, server::Server};
use crate::Error;
use crate::programs::INITDB;
use crate::tls::Tls;

/// The superuser, and the database made for them.
pub(crate) const USER: &str = "towerblock";

/// How long the standbys may take to catch up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A primary and its streaming standbys, on free ports of the loopback address.
///
/// The superuser is `towerblock`, without a password, and so is a database. Nothing is
/// flushed to disk: a killed server keeps its data, a machine that loses power does not.
///
/// Dropping it kills the servers and removes their folder; so does the end of the process,
/// however it ends. It belongs to no runtime: a `static` may hold it for a whole test binary.
#[derive(Debug)]
pub struct Postgres {
    primary: Server,
    standbys: Vec<Server>,
    tls: Option<Tls>,
}

impl Postgres {
    /// A primary alone, unless told otherwise.
    #[must_use]
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::new()
    }

    /// Whether PostgreSQL's server binaries are on this machine.
    #[must_use]
    pub fn is_installed() -> bool {
        INITDB.find().is_ok()
    }

    /// The server that takes writes. It stays the one that was started as such, also when a
    /// standby is promoted.
    #[must_use]
    pub fn primary(&self) -> &Server {
        &self.primary
    }

    /// The servers that follow it.
    #[must_use]
    pub fn standbys(&self) -> &[Server] {
        &self.standbys
    }

    /// The certificate, as PEM, of the authority that signed the servers'; `None` without TLS.
    #[must_use]
    pub fn ca(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| &*tls.ca)
    }

    /// Creates an empty database on the primary and returns its URL there. The standbys have
    /// it too once they have [caught up](Self::caught_up), at [`Server::url_to`].
    ///
    /// # Errors
    ///
    /// When the primary is away, or has such a database.
    pub async fn database(&self, name: &str) -> Result<String, Error> {
        let quoted = name.replace('"', "\"\"");
        self.primary
            .sql(&format!("create database \"{quoted}\" template template0"))
            .await?;
        Ok(self.primary.url_to(name))
    }

    /// Waits until every standby has replayed what the primary has written by now.
    ///
    /// # Errors
    ///
    /// When a server is away, or a standby is behind for 30 s.
    pub async fn caught_up(&self) -> Result<(), Error> {
        let written = self.primary.value("select pg_current_wal_lsn()").await?;
        let question = format!("select pg_last_wal_replay_lsn() >= '{written}'");
        for standby in &self.standbys {
            until(&question, standby).await?;
        }
        Ok(())
    }

    /// Waits until every standby receives a stream.
    async fn streams(&self) -> Result<(), Error> {
        let count = self.standbys.len();
        if count == 0 {
            return Ok(());
        }
        let question =
            format!("select count(*) = {count} from pg_stat_replication where state = 'streaming'");
        until(&question, &self.primary).await
    }
}

/// Asks until the answer is true.
async fn until(question: &str, server: &Server) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    while server.value(question).await? != "t" {
        if Instant::now() > deadline {
            return Err(Error::new(format!(
                "not so within {PATIENCE:?} on port {}: {question}",
                server.port()
            )));
        }
        sleep(Duration::from_millis(3)).await;
    }
    Ok(())
}
