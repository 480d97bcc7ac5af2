use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Context;
use crate::process::Process;
use crate::programs::REDIS;
use crate::supervisor::{Supervisor, text};
use crate::tls::Tls;
use crate::{Error, port};

/// A Redis server on a free port of the loopback address, without a password.
///
/// Dropping it kills the server and removes its folder; so does the end of the process,
/// however it ends.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    data: PathBuf,
    tls: Option<Tls>,
}

impl Redis {
    /// A server that keeps nothing when it ends, unless told otherwise.
    #[must_use]
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// Where clients connect; `rediss://` with TLS.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() {
            "rediss"
        } else {
            "redis"
        };
        format!("{scheme}://{}", self.addr())
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

    /// The certificate, as PEM, of the authority that signed the server's; `None` without TLS.
    #[must_use]
    pub fn ca(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| &*tls.ca)
    }

    /// Starts it again on its port, with its data when it [keeps](RedisBuilder::keep_data) them,
    /// and waits until it has loaded them; does nothing when it is up.
    ///
    /// # Errors
    ///
    /// When it ends instead, with the end of its log.
    pub async fn start(&self) -> Result<(), Error> {
        port::restarting(async || self.start_once().await).await
    }

    /// Starts it again without its data. Kills it first when it is up.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), or when the data cannot be removed.
    pub async fn start_empty(&self) -> Result<(), Error> {
        self.kill().await?;
        for entry in fs::read_dir(&self.data).into_iter().flatten().flatten() {
            let path = entry.path();
            let removed = match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
            removed.context(|| format!("cannot remove {}", path.display()))?;
        }
        self.start().await
    }

    /// Shuts it down cleanly, and waits until it has ended.
    ///
    /// # Errors
    ///
    /// When it has to be killed after 30 s.
    pub async fn stop(&self) -> Result<(), Error> {
        self.process.stop("TERM").await
    }

    /// Kills it by SIGKILL; nothing of it is left when this returns.
    ///
    /// # Errors
    ///
    /// When the supervisor of the server is gone.
    pub async fn kill(&self) -> Result<(), Error> {
        self.process.kill().await
    }

    /// Freezes it by SIGSTOP: connections stay open and nothing answers, while the kernel goes
    /// on accepting.
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

    async fn start_once(&self) -> Result<(), Error> {
        // Its own log tells: a client might talk to somebody else's server on that port.
        self.process
            .start(|server| server.log().contains("Ready to accept connections"))
            .await
    }
}

/// What a [`Redis`] is to be; [`start`](Self::start) makes it.
#[derive(Clone, Debug, Default)]
pub struct RedisBuilder {
    settings: Vec<(String, String)>,
    keep_data: bool,
    tls: bool,
}

impl RedisBuilder {
    /// A line of `redis.conf`. Default: Redis's own.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Whether a restart finds the data again, also after a kill. Default: no, it is empty.
    #[must_use]
    pub fn keep_data(mut self, keep: bool) -> Self {
        self.keep_data = keep;
        self
    }

    /// Whether it speaks TLS, and only TLS, with a certificate made for it. Default: no.
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Starts the server and returns when it accepts connections.
    ///
    /// # Errors
    ///
    /// When Redis [is not installed](Error::is_not_installed), or does not start.
    pub async fn start(self) -> Result<Redis, Error> {
        let program = REDIS.find()?;
        let supervisor = Arc::new(Supervisor::start().await?);
        port::starting(async |port| {
            let redis = self.server(&supervisor, &program, port)?;
            redis.start_once().await.map(|()| redis)
        })
        .await
    }

    fn server(
        &self,
        supervisor: &Arc<Supervisor>,
        program: &Path,
        port: u16,
    ) -> Result<Redis, Error> {
        let data = supervisor.dir().join("data");
        supervisor.make_dir(&data)?;
        let tls = match self.tls {
            true => Some(Tls::issue(supervisor)?),
            false => None,
        };
        let file = supervisor.dir().join("redis.conf");
        supervisor.write(&file, &self.config(&data, port, tls.as_ref())?)?;
        let argv = vec![text(program)?, text(&file)?];
        Ok(Redis {
            process: Process::new(supervisor.clone(), argv),
            port,
            data,
            tls,
        })
    }

    fn config(&self, data: &Path, port: u16, tls: Option<&Tls>) -> Result<String, Error> {
        let mut lines = format!("bind 127.0.0.1\nsave \"\"\ndir \"{}\"\n", text(data)?);
        let append = if self.keep_data { "yes" } else { "no" };
        // A killed process leaves its writes to the kernel: only a machine's end loses them.
        let _infallible = write!(lines, "appendonly {append}\nappendfsync no\n");
        let _infallible = match tls {
            None => writeln!(lines, "port {port}"),
            Some(tls) => write!(
                lines,
                "port 0\ntls-port {port}\ntls-auth-clients no\n\
                 tls-cert-file \"{}\"\ntls-key-file \"{}\"\ntls-ca-cert-file \"{}\"\n",
                text(&tls.cert_file)?,
                text(&tls.key_file)?,
                text(&tls.cert_file)?,
            ),
        };
        for (name, value) in &self.settings {
            let _infallible = writeln!(lines, "{name} {value}");
        }
        Ok(lines)
    }
}
