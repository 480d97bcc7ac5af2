use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{USER, sql};
use crate::process::Process;
use crate::supervisor::{Launched, Supervisor, text};
use crate::{Error, port};

/// One PostgreSQL server of a cluster, which can be stopped, killed and frozen.
#[derive(Debug)]
pub struct Server {
    process: Process,
    port: u16,
    data: PathBuf,
    tls: bool,
}

impl Server {
    /// A server that is down, on a data directory that is ready for it.
    pub(crate) fn new(
        supervisor: Arc<Supervisor>,
        postgres: &Path,
        data: PathBuf,
        port: u16,
        tls: bool,
    ) -> Result<Self, Error> {
        let argv = vec![
            text(postgres)?,
            "-D".to_owned(),
            text(&data)?,
            "-p".to_owned(),
            port.to_string(),
        ];
        Ok(Self {
            process: Process::new(supervisor, argv),
            port,
            data,
            tls,
        })
    }

    /// Where clients connect, to the database `towerblock`. With TLS it asks for it.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_to(USER)
    }

    /// The same for another database.
    #[must_use]
    pub fn url_to(&self, database: &str) -> String {
        let tls = if self.tls { "?sslmode=require" } else { "" };
        format!(
            "postgres://{USER}@{}/{}{tls}",
            self.addr(),
            escape(database)
        )
    }

    /// The loopback address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        port::at(self.port)
    }

    /// The port it keeps for its life, also when it is down.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the postmaster; `None` while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Starts it again after [`stop`](Self::stop) or [`kill`](Self::kill), and waits until it
    /// accepts connections; does nothing when it is up.
    ///
    /// # Errors
    ///
    /// When it ends instead, with the end of its log.
    pub async fn start(&self) -> Result<(), Error> {
        port::restarting(async || self.start_once().await).await
    }

    pub(crate) async fn start_once(&self) -> Result<(), Error> {
        self.process.start(|server| self.is_ready(server)).await
    }

    /// Shuts it down cleanly: sessions are ended, standbys get what is written, and it has
    /// ended when this returns. A frozen server is thawed for it.
    ///
    /// # Errors
    ///
    /// When it has to be killed after 30 s: a frozen standby holds a primary up.
    pub async fn stop(&self) -> Result<(), Error> {
        self.process.stop("INT").await
    }

    /// Kills it with all its sessions by SIGKILL; nothing of it is left when this returns.
    ///
    /// # Errors
    ///
    /// When the supervisor of the servers is gone.
    pub async fn kill(&self) -> Result<(), Error> {
        self.process.kill().await
    }

    /// Freezes it with all its sessions by SIGSTOP: connections stay open and nothing answers,
    /// while the kernel goes on accepting.
    ///
    /// # Errors
    ///
    /// When it is down.
    pub async fn pause(&self) -> Result<(), Error> {
        self.process.pause().await
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    ///
    /// When it is down.
    pub async fn resume(&self) -> Result<(), Error> {
        self.process.resume().await
    }

    /// Makes a standby take writes, and waits until it does.
    ///
    /// # Errors
    ///
    /// When it is away or no standby.
    pub async fn promote(&self) -> Result<(), Error> {
        match &*self.value("select pg_promote(true, 30)").await? {
            "t" => Ok(()),
            _ => Err(Error::new(format!(
                "the server on port {} did not leave recovery within 30 s",
                self.port
            ))),
        }
    }

    /// Runs statements as the superuser, in the database `towerblock`, on a connection of
    /// their own; returns the last value they answer, as text.
    ///
    /// # Errors
    ///
    /// When the server is away or refuses.
    pub async fn sql(&self, statements: &str) -> Result<Option<String>, Error> {
        sql::run(self.port, statements).await
    }

    pub(crate) async fn value(&self, question: &str) -> Result<String, Error> {
        Ok(self.sql(question).await?.unwrap_or_default())
    }

    /// By the file in which the postmaster tells its state: a client might talk to somebody
    /// else's server that was faster at taking the port.
    fn is_ready(&self, server: &Launched) -> bool {
        let file = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        let mut lines = file.lines();
        let pid = lines.next().and_then(|pid| pid.trim().parse().ok());
        pid == server.pid() && lines.nth(6).is_some_and(|state| state.trim() == "ready")
    }
}

/// A name as a URL takes it.
fn escape(name: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).into(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(escape).collect()
}
