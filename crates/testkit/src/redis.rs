use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::process::Process;
use crate::programs::REDIS;
use crate::supervisor::{Launched, Supervisor, text};
use crate::tls::Tls;
use crate::{Error, port};

/// Makes the data directory, anew if there is one.
const RENEW: &str = r#"rm -rf "$1" && mkdir "$1""#;

/// A Redis server on a free port of the loopback address.
///
/// Every write is appended to a file, so that a killed server finds its data again;
/// [`wipe`](Self::wipe) is for one that does not. Dropping it kills the server and removes
/// its folder; so does the end of the process, however it ends.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    supervisor: Arc<Supervisor>,
    port: u16,
    data: PathBuf,
    tls: Option<Tls>,
}

/// What a [`Redis`] is to be; [`start`](Self::start) makes it.
#[derive(Clone, Debug, Default)]
pub struct RedisBuilder {
    settings: Vec<(String, String)>,
    tls: bool,
}

impl RedisBuilder {
    /// A line of `redis.conf`. Default: Redis' own, but for `appendonly`, which is on.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Whether the server speaks TLS, and nothing else. Default: no.
    #[must_use]
    pub const fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Starts the server and returns when it takes connections.
    ///
    /// # Errors
    ///
    /// When Redis [is not installed](Error::is_not_installed), or the server does not start.
    pub async fn start(self) -> Result<Redis, Error> {
        let program = text(&REDIS.find()?)?;
        let supervisor = Arc::new(Supervisor::start().await?);
        let data = supervisor.dir().join("data");
        renew(&supervisor, &data).await?;
        let mut settings = vec![
            ("bind".to_owned(), "127.0.0.1".to_owned()),
            ("dir".to_owned(), text(&data)?),
            ("appendonly".to_owned(), "yes".to_owned()),
            ("save".to_owned(), String::new()),
        ];
        let tls = match self.tls {
            true => Some(Tls::issue(&supervisor)?),
            false => None,
        };
        if let Some(tls) = &tls {
            settings.push(("tls-cert-file".to_owned(), text(&tls.cert_file)?));
            settings.push(("tls-key-file".to_owned(), text(&tls.key_file)?));
            settings.push(("tls-auth-clients".to_owned(), "no".to_owned()));
        }
        settings.extend(self.settings);
        let (process, port) = port::starting(async |port| {
            let (plain, secret) = if tls.is_some() { (0, port) } else { (port, 0) };
            let ports = [("port", plain), ("tls-port", secret)];
            let ports = ports.map(|(name, port)| (name.to_owned(), port.to_string()));
            let pairs = settings.iter().chain(&ports);
            let pairs = pairs.flat_map(|(name, value)| [format!("--{name}"), value.clone()]);
            let argv = [program.clone()].into_iter().chain(pairs).collect();
            let process = Process::new(supervisor.clone(), argv);
            process.start(is_ready).await.map(|()| (process, port))
        })
        .await?;
        Ok(Redis {
            process,
            supervisor,
            port,
            data,
            tls,
        })
    }
}

impl Redis {
    /// Redis' defaults, unless told otherwise.
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

    /// The loopback address it listens on; it keeps it for its life.
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

    /// Starts it again after [`stop`](Self::stop) or [`kill`](Self::kill), with the data that
    /// it had, and waits until it takes connections; does nothing when it is up.
    ///
    /// # Errors
    ///
    /// When it ends instead, with the end of its log.
    pub async fn start(&self) -> Result<(), Error> {
        port::restarting(async || self.process.start(is_ready).await).await
    }

    /// Shuts it down cleanly, and returns when it has ended.
    ///
    /// # Errors
    ///
    /// When it has to be killed after 30 s.
    pub async fn stop(&self) -> Result<(), Error> {
        self.process.stop("TERM").await
    }

    /// Kills it by SIGKILL, and returns when it is gone.
    ///
    /// # Errors
    ///
    /// When the supervisor of the servers is gone.
    pub async fn kill(&self) -> Result<(), Error> {
        self.process.kill().await
    }

    /// Kills it and removes its data: the next [`start`](Self::start) begins with none.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub async fn wipe(&self) -> Result<(), Error> {
        self.kill().await?;
        renew(&self.supervisor, &self.data).await
    }

    /// Freezes it by SIGSTOP: connections stay open and nothing answers.
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
}

async fn renew(supervisor: &Supervisor, data: &Path) -> Result<(), Error> {
    let argv = ["/bin/sh", "-c", RENEW, "sh", &text(data)?].map(str::to_owned);
    supervisor.run(&argv).await.map(drop)
}

/// By its log: another server may have been faster at taking the port.
fn is_ready(server: &Launched) -> bool {
    server.log().contains("Ready to accept connections")
}
