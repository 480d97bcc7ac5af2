use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::template::template;
use super::{Postgres, Server, USER};
use crate::error::Context;
use crate::programs::INITDB;
use crate::supervisor::{Launched, Supervisor, text};
use crate::tls::Tls;
use crate::{Error, port};

/// What every server gets before the caller's own settings.
const SETTINGS: [(&str, &str); 11] = [
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("wal_level", "logical"),
    ("hot_standby", "on"),
    // A standby that was away for a while finds what it missed.
    ("wal_keep_size", "512MB"),
    // The default is five seconds, which a standby waits when the primary was not there.
    ("wal_retrieve_retry_interval", "100ms"),
    // Files in the data directory, where POSIX shared memory would outlive SIGKILL.
    ("dynamic_shared_memory_type", "mmap"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
];

/// What a [`Postgres`] is to be; [`start`](Self::start) makes it.
#[derive(Clone, Debug, Default)]
pub struct PostgresBuilder {
    standbys: usize,
    settings: Vec<(String, String)>,
    tls: bool,
}

impl PostgresBuilder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The number of streaming standbys. Default: none.
    #[must_use]
    pub fn standbys(mut self, count: usize) -> Self {
        self.standbys = count;
        self
    }

    /// A line of `postgresql.conf` for all servers. Default: PostgreSQL's, but for durability,
    /// which is off, and `wal_level`, which is `logical`.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Whether the servers speak TLS, with a certificate made for them. Default: no.
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Starts the servers and returns when the primary takes writes and the standbys follow it.
    ///
    /// # Errors
    ///
    /// When PostgreSQL [is not installed](Error::is_not_installed), or a server does not start.
    pub async fn start(self) -> Result<Postgres, Error> {
        // Without symbolic links: the rest of that version lies beside it.
        let initdb = INITDB.find()?;
        let initdb = std::fs::canonicalize(&initdb).context(|| initdb.display().to_string())?;
        let postgres = initdb.with_file_name("postgres");
        let supervisor = Arc::new(Supervisor::start().await?);
        let template = template(&supervisor, &initdb).await?;
        let tls = match self.tls {
            true => Some(Tls::issue(&supervisor)?),
            false => None,
        };
        let mut settings = settings(&SETTINGS);
        if let Some(tls) = &tls {
            let (cert, key) = (text(&tls.cert_file)?, text(&tls.key_file)?);
            settings += &self::settings(&[
                ("ssl", "on"),
                ("ssl_cert_file", &cert),
                ("ssl_key_file", &key),
            ]);
        }
        settings += &self::settings(&self.settings);

        let copies: Vec<(PathBuf, Launched)> = (0..=self.standbys)
            .map(|number| copy(&supervisor, &template, number))
            .collect::<Result<_, _>>()?;
        let mut servers = Vec::new();
        for (number, (data, copied)) in copies.into_iter().enumerate() {
            copied.succeeded().await?;
            let following = servers.first().map(Server::port);
            configure(&supervisor, &data, &settings, following, number)?;
            let server = port::starting(async |port| {
                let (supervisor, data) = (supervisor.clone(), data.clone());
                let server = Server::new(supervisor, &postgres, data, port, self.tls)?;
                server.start_once().await.map(|()| server)
            });
            servers.push(server.await?);
        }
        let standbys = servers.split_off(1);
        let primary = servers.pop().ok_or_else(|| Error::new("no primary"))?;
        let cluster = Postgres {
            primary,
            standbys,
            tls,
        };
        cluster.streams().await?;
        Ok(cluster)
    }
}

/// A cold copy: the template was shut down, so a standby may start from the same files.
fn copy(
    supervisor: &Supervisor,
    template: &Path,
    number: usize,
) -> Result<(PathBuf, Launched), Error> {
    let data = supervisor.dir().join(format!("data-{number}"));
    let argv = [
        "cp".to_owned(),
        "-R".to_owned(),
        text(template)?,
        text(&data)?,
    ];
    Ok((data, supervisor.launch(&argv)?))
}

fn configure(
    supervisor: &Supervisor,
    data: &Path,
    settings: &str,
    following: Option<u16>,
    number: usize,
) -> Result<(), Error> {
    let mut settings = settings.to_owned();
    if let Some(port) = following {
        let primary = format!(
            "host=127.0.0.1 port={port} user={USER} application_name=standby_{number} sslmode=prefer"
        );
        settings += &self::settings(&[("primary_conninfo", &*primary)]);
        supervisor.write(&data.join("standby.signal"), "")?;
    }
    let file = data.join("postgresql.conf");
    let initial = std::fs::read_to_string(&file).context(|| file.display().to_string())?;
    supervisor.write(&file, &format!("{initial}\n{settings}"))
}

/// As lines of `postgresql.conf`, in which the last of a name counts.
fn settings<T: AsRef<str>>(settings: &[(T, T)]) -> String {
    let mut lines = String::new();
    for (name, value) in settings {
        let value = value.as_ref().replace('\\', r"\\").replace('\'', "''");
        let _infallible = writeln!(lines, "{} = '{value}'", name.as_ref());
    }
    lines
}
