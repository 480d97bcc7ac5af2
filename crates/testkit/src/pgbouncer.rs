use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::postgres::USER;
use crate::process::Process;
use crate::programs::PGBOUNCER;
use crate::supervisor::{Supervisor, text};
use crate::{Error, port};

/// When PgBouncer gives a server connection to another client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "PgBouncer has had these three for ever"
)]
pub enum PoolMode {
    /// When the client disconnects.
    Session,
    /// When the transaction ends.
    Transaction,
    /// When the statement ends; transactions are refused.
    Statement,
}

/// A PgBouncer in front of a PostgreSQL server, on a free port of the loopback address.
///
/// It takes every database and every role of that server, without a password. Dropping it
/// kills it and removes its folder; so does the end of the process, however it ends.
#[derive(Debug)]
pub struct PgBouncer {
    process: Process,
    port: u16,
}

impl PgBouncer {
    /// A pooler in front of `upstream`: a [`Server`](crate::Server), or a
    /// [`Proxy`](crate::Proxy) between the two.
    #[must_use]
    pub fn builder(upstream: SocketAddr, mode: PoolMode) -> PgBouncerBuilder {
        PgBouncerBuilder {
            upstream,
            mode,
            settings: Vec::new(),
        }
    }

    /// Where clients connect, to the database `towerblock`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_to(USER)
    }

    /// The same for another database; `pgbouncer` is its console.
    #[must_use]
    pub fn url_to(&self, database: &str) -> String {
        format!("postgres://{USER}@{}/{database}", self.addr())
    }

    /// The loopback address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        port::at(self.port)
    }

    /// The process id; `None` while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Starts it again on its port; does nothing when it is up.
    ///
    /// # Errors
    ///
    /// When it ends instead, with the end of its log.
    pub async fn start(&self) -> Result<(), Error> {
        port::restarting(async || self.start_once().await).await
    }

    /// Kills it by SIGKILL; nothing of it is left when this returns.
    ///
    /// # Errors
    ///
    /// When its supervisor is gone.
    pub async fn kill(&self) -> Result<(), Error> {
        self.process.kill().await
    }

    /// Freezes it by SIGSTOP.
    ///
    /// # Errors
    ///
    /// When it is down.
    pub async fn pause(&self) -> Result<(), Error> {
        self.process.pause().await
    }

    /// Lets a frozen pooler go on.
    ///
    /// # Errors
    ///
    /// When it is down.
    pub async fn resume(&self) -> Result<(), Error> {
        self.process.resume().await
    }

    async fn start_once(&self) -> Result<(), Error> {
        let listening = format!("listening on {}", self.addr());
        self.process
            .start(|server| {
                let log = server.log();
                log.contains(&listening) && log.contains("process up")
            })
            .await
    }
}

/// What a [`PgBouncer`] is to be; [`start`](Self::start) makes it.
#[derive(Clone, Debug)]
pub struct PgBouncerBuilder {
    upstream: SocketAddr,
    mode: PoolMode,
    settings: Vec<(String, String)>,
}

impl PgBouncerBuilder {
    /// A line of `pgbouncer.ini`. Default: PgBouncer's own.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Starts the pooler and returns when it accepts connections; the server behind it may be
    /// away.
    ///
    /// # Errors
    ///
    /// When PgBouncer [is not installed](Error::is_not_installed), or does not start.
    pub async fn start(self) -> Result<PgBouncer, Error> {
        let program = PGBOUNCER.find()?;
        let supervisor = Arc::new(Supervisor::start().await?);
        port::starting(async |port| {
            let pooler = self.pooler(&supervisor, &program, port)?;
            pooler.start_once().await.map(|()| pooler)
        })
        .await
    }

    fn pooler(
        &self,
        supervisor: &Arc<Supervisor>,
        program: &Path,
        port: u16,
    ) -> Result<PgBouncer, Error> {
        let users = supervisor.dir().join("users.txt");
        supervisor.write(&users, &format!("\"{USER}\" \"\"\n"))?;
        let file = supervisor.dir().join("pgbouncer.ini");
        supervisor.write(&file, &self.config(&text(&users)?, port))?;
        let argv = vec![text(program)?, text(&file)?];
        Ok(PgBouncer {
            process: Process::new(supervisor.clone(), argv),
            port,
        })
    }

    fn config(&self, users: &str, port: u16) -> String {
        let mode = match self.mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
            PoolMode::Statement => "statement",
        };
        let mut lines = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\npool_mode = {mode}\nauth_type = trust\n\
             auth_file = {users}\nauth_user = {USER}\nadmin_users = {USER}\n",
            self.upstream.ip(),
            self.upstream.port(),
        );
        for (name, value) in &self.settings {
            let _infallible = writeln!(lines, "{name} = {value}");
        }
        lines
    }
}
