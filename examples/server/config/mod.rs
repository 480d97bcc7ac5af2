//! What the environment says. A wrong value stops the start with one line.

mod line;

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{CommandFactory as _, Parser};
use http::HeaderValue;
use towerblock_lifecycle::Deadlines;
use towerblock_postgres::Servers;

use self::line::{one_line, shown};
use crate::limits::Offer;
use crate::secrets::SecretKey;

/// While they are rotated there are two.
const MOST_SECRETS: usize = 8;

/// A multi-tenant plugin marketplace on Towerblock, to explore and to measure.
#[derive(Clone, Debug, Parser)]
#[command(name = "server", version, max_term_width = 100)]
#[command(after_help = "Each option may be given by its environment variable as well.")]
#[non_exhaustive]
pub struct Config {
    /// Address to listen on.
    #[arg(long, env, default_value = "127.0.0.1", value_parser = address)]
    pub host: IpAddr,

    /// Port to listen on; 0 lets the system choose.
    #[arg(long, env, default_value = "8080", value_parser = port)]
    pub port: u16,

    /// Name of this instance in /api/health. Default: the host's name and the process id.
    #[arg(long, env)]
    pub instance_id: Option<String>,

    /// postgres:// URL of the primary, or `memory:` for no database. Default: a private
    /// PostgreSQL started from local binaries when there are any, otherwise memory.
    #[arg(long, env, hide_env_values = true, value_parser = database)]
    pub database_url: Option<Database>,

    /// Comma-separated postgres:// URLs of streaming standbys.
    #[arg(long, env, hide_env_values = true, value_delimiter = ',', value_parser = postgres)]
    pub database_read_replicas: Vec<Secret>,

    /// Connections to the primary that requests use, at most; there is one more, beside.
    #[arg(long, env, default_value = "20", value_parser = connections)]
    pub database_pool_max: NonZeroUsize,

    /// Connections to each server that are kept open, at most as many as there may be.
    /// Default: 2.
    #[arg(long, env, value_parser = kept_connections)]
    pub database_pool_min: Option<usize>,

    /// Connections to each replica, at most.
    #[arg(long, env, default_value = "30", value_parser = connections)]
    pub database_replica_pool_max: NonZeroUsize,

    /// redis:// or rediss:// URL through which instances share what they cache and what tenants
    /// used of their rates, if they share a database (DATABASE_URL) and SECRET_KEYS; what another
    /// writes shows within milliseconds. Default: none: it shows within about a second, as while
    /// Redis is away, and each instance limits for itself.
    #[arg(long, env, hide_env_values = true, value_parser = redis)]
    pub redis_url: Option<Secret>,

    /// Milliseconds for which what is in memory is believed while Redis does not tell what
    /// others write; for tests.
    #[arg(long, env, hide = true, default_value = "10000", value_parser = millis)]
    pub cache_deaf_ms: u64,

    /// Milliseconds for which a tenant is taken for what it was, suspended or not; for tests.
    #[arg(long, env, hide = true, default_value = "30000", value_parser = millis)]
    pub tenant_ttl_ms: u64,

    /// Path of a TOML file of plans: how fast tenants may ask, and how much they may have. It has
    /// the plan `free`, for whoever has none of them. Default: examples/server/plans.toml, as it
    /// was when this was built, which says what may stand in it.
    #[arg(long, env, value_parser = Offer::read)]
    pub(crate) plans: Option<Offer>,

    /// Comma-separated secrets in base64, 1 to 8 of at least 32 bytes, the same on all
    /// instances: the first seals cursors and what a client wrote last, all open them and
    /// verify tokens (HS256).
    /// Default: a random one, so cursors end with this process and no token is valid.
    #[arg(long, env, hide_env_values = true, value_delimiter = ',', value_parser = SecretKey::parse)]
    pub secret_keys: Vec<SecretKey>,

    /// Comma-separated origins that may call from a browser, such as `https://example.com`.
    /// Default: none.
    #[arg(long, env, value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<HeaderValue>,

    /// What admin routes ask for as `Authorization: Bearer`. Default: none, and admins are
    /// peers on the loopback interface whose request came through no proxy; they may look, and
    /// force no circuit.
    #[arg(long, env, hide_env_values = true, value_parser = token)]
    pub admin_token: Option<Secret>,

    /// Milliseconds for which, asked to stop, it is not ready and serves on: longer than it takes
    /// the balancers in front to look elsewhere. Default: 5000 where others share its database
    /// (DATABASE_URL) and SECRET_KEYS, else 0.
    #[arg(long, env, value_parser = millis_or_none)]
    pub drain_ms: Option<u64>,

    /// Milliseconds for which requests in flight may go on after that; then they are cut off.
    #[arg(long, env, default_value = "15000", value_parser = millis_or_none)]
    pub grace_ms: u64,

    /// What to log, such as `debug` or `warn,marketplace=debug`.
    #[arg(long, env, default_value = "info", value_parser = filter)]
    pub rust_log: String,

    /// No other instance has its data, or opens its cursors.
    #[arg(skip)]
    pub(crate) is_alone: bool,
}

/// Where the data lives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Database {
    /// In this process.
    Memory,
    /// In a PostgreSQL at this URL.
    Postgres(Secret),
}

impl Config {
    /// Reads arguments and environment.
    ///
    /// # Errors
    ///
    /// What to print and the exit code: help and version, or one line that names the
    /// variable, the value and what is accepted.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, (String, i32)> {
        for argument in Self::command().get_arguments() {
            let variable = argument.get_env().unwrap_or_default();
            let value = std::env::var_os(variable).unwrap_or_default();
            if value.to_str().is_none() {
                let variable = variable.to_string_lossy();
                let value = shown(&variable, &value.to_string_lossy());
                return Err((format!("{variable}={value}: expected UTF-8"), 2));
            }
        }
        let mut config = Self::try_parse_from(arguments).map_err(|error| one_line(&error))?;
        let max = config.database_pool_max.get();
        if let Some(min) = config.database_pool_min.filter(|min| *min > max) {
            let line = format!("DATABASE_POOL_MIN={min}: more than DATABASE_POOL_MAX={max}");
            return Err((line, 2));
        }
        let replicas = !config.database_read_replicas.is_empty();
        if replicas && !matches!(config.database_url, Some(Database::Postgres(_))) {
            let line = "DATABASE_READ_REPLICAS is set: DATABASE_URL must name their primary";
            return Err((line.to_owned(), 2));
        }
        let secrets = config.secret_keys.len();
        if secrets > MOST_SECRETS {
            let line = format!("SECRET_KEYS with {secrets} secrets: expected 1 to {MOST_SECRETS}");
            return Err((line, 2));
        }
        let others_have_the_data = matches!(config.database_url, Some(Database::Postgres(_)));
        config.is_alone = secrets == 0 || !others_have_the_data;
        Ok(config)
    }

    pub(crate) fn kept_connections(&self) -> usize {
        let kept = self.database_pool_min.unwrap_or(2);
        kept.min(self.database_pool_max.get())
    }

    pub(crate) fn deadlines(&self) -> Deadlines {
        let shared = if self.is_alone { 0 } else { 5_000 };
        let drain = Duration::from_millis(self.drain_ms.unwrap_or(shared));
        let grace = Duration::from_millis(self.grace_ms);
        Deadlines::default().drain(drain).grace(grace)
    }
}

/// What must not be printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub(crate) const fn new(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

fn address(text: &str) -> Result<IpAddr, &'static str> {
    text.parse()
        .map_err(|_| "expected an IP address, such as 127.0.0.1 or ::")
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| "expected a port from 0 to 65535")
}

fn connections(text: &str) -> Result<NonZeroUsize, &'static str> {
    let number = text
        .parse()
        .ok()
        .filter(|n: &NonZeroUsize| n.get() <= 1_000);
    number.ok_or("expected a number of connections from 1 to 1000")
}

fn kept_connections(text: &str) -> Result<usize, &'static str> {
    let number = text.parse().ok().filter(|n| *n <= 1_000);
    number.ok_or("expected a number of connections from 0 to 1000")
}

fn millis(text: &str) -> Result<u64, &'static str> {
    let number = text.parse().ok().filter(|n| (1..=3_600_000).contains(n));
    number.ok_or("expected milliseconds from 1 to 3600000")
}

fn millis_or_none(text: &str) -> Result<u64, &'static str> {
    let number = text.parse().ok().filter(|n| *n <= 3_600_000);
    number.ok_or("expected milliseconds from 0 to 3600000")
}

fn database(text: &str) -> Result<Database, String> {
    if text == "memory:" {
        return Ok(Database::Memory);
    }
    let url = postgres(text).map_err(|error| format!("{error}, or memory:"))?;
    Ok(Database::Postgres(url))
}

fn postgres(text: &str) -> Result<Secret, String> {
    match Servers::new(text) {
        Ok(_) => Ok(Secret::new(text.to_owned())),
        Err(error) => {
            let mut why = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                why = format!("{why}: {error}");
                cause = error.source();
            }
            let url = "a URL such as postgres://user:password@host:5432/database";
            Err(format!("expected {url} ({why})"))
        }
    }
}

fn redis(text: &str) -> Result<Secret, String> {
    match towerblock_redis::Settings::from_url(text) {
        Ok(_) => Ok(Secret::new(text.to_owned())),
        Err(error) => {
            let url = "a URL such as redis://user:password@host:6379/0 or rediss://host";
            Err(format!("expected {url} ({error})"))
        }
    }
}

fn origin(text: &str) -> Result<HeaderValue, &'static str> {
    let host = text
        .trim()
        .strip_prefix("https://")
        .or_else(|| text.trim().strip_prefix("http://"))
        .unwrap_or_default();
    let is_host = !host.is_empty() && !host.contains(['/', '*', '@', '?', '#', ' ']);
    let value = is_host.then(|| HeaderValue::from_str(text.trim()).ok());
    value
        .flatten()
        .ok_or("expected origins such as https://example.com, without a path")
}

fn token(text: &str) -> Result<Secret, &'static str> {
    let fits = text.len() >= 8 && text.bytes().all(|b| b.is_ascii_graphic());
    let token = fits.then(|| Secret(text.to_owned()));
    token.ok_or("expected at least 8 visible ASCII characters")
}

fn filter(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "expected a filter such as info or warn,x=debug ({error})"
        )),
    }
}
