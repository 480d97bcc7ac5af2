use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::postgres::{Server, USER};
use crate::process::Process;
use crate::programs::PGBOUNCER;
use crate::supervisor::{Supervisor, text};
use crate::{Error, port};

/// A PgBouncer in front of a PostgreSQL server, on a free port of the loopback address.
///
/// Dropping it kills it and removes its folder; so does the end of the process, however it
/// ends.
#[derive(Debug)]
pub struct PgBouncer {
    // Ends when it is dropped.
    _process: Process,
    port: u16,
}

/// When a connection to the server goes to another client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "PgBouncer has these three")]
pub enum PoolMode {
    /// When the client disconnects.
    Session,
    /// After each statement; transactions are refused.
    Statement,
    /// At the end of each transaction.
    Transaction,
}

impl PgBouncer {
    /// Starts it and returns when it takes connections.
    ///
    /// # Errors
    ///
    /// When PgBouncer [is not installed](Error::is_not_installed), or does not start.
    pub async fn start(server: &Server, mode: PoolMode) -> Result<Self, Error> {
        let program = text(&PGBOUNCER.find()?)?;
        let supervisor = Arc::new(Supervisor::start().await?);
        let users = supervisor.dir().join("users.txt");
        supervisor.write(&users, &format!("\"{USER}\" \"\"\n"))?;
        let (users, upstream) = (text(&users)?, server.port());
        let (process, port) = port::starting(async |port| {
            let file = supervisor.dir().join("pgbouncer.ini");
            let settings = format!(
                "[databases]\n* = host=127.0.0.1 port={upstream}\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = trust\nauth_file = {users}\n\
                 pool_mode = {mode}\nmax_client_conn = 500\n"
            );
            supervisor.write(&file, &settings)?;
            let process = Process::new(supervisor.clone(), vec![program.clone(), text(&file)?]);
            let is_up = process.start(|server| server.log().contains("process up"));
            is_up.await.map(|()| (process, port))
        })
        .await?;
        Ok(Self {
            _process: process,
            port,
        })
    }

    /// Where clients connect, to the database `towerblock`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}@{}/{USER}", self.addr())
    }

    /// The loopback address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        port::at(self.port)
    }
}

impl fmt::Display for PoolMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Statement => "statement",
            Self::Transaction => "transaction",
        })
    }
}
