//! URLs of servers: of what fred understands, what this crate keeps its promises for.

use std::fmt;

use fred::types::config::{Config, ServerConfig, TlsConfig};

use crate::tls::connector;

/// Where the server is, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) config: Config,
}

/// A URL that names no server, without its password.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct InvalidUrl(#[from] Fault);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(
        "{0}:// is not supported: a Redis URL begins with redis:// or rediss://, and names one server"
    )]
    Scheme(String),
    #[error("a Redis URL begins with redis:// or rediss://")]
    NoScheme,
    #[error("{0} is not supported in a Redis URL")]
    Parameter(String),
    #[error("cacert is of no effect without TLS: rediss://")]
    Unencrypted,
    #[error("cannot read the Redis URL: {0}")]
    Parse(String),
    #[error("cannot use the certificates of {path}: {why}")]
    Roots { path: String, why: String },
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self, InvalidUrl> {
        let (scheme, _) = url.split_once("://").ok_or(Fault::NoScheme)?;
        let encrypted = match scheme {
            "redis" => false,
            "rediss" => true,
            // What a password may look like is no scheme.
            other
                if other
                    .bytes()
                    .all(|byte| byte.is_ascii_alphabetic() || byte == b'-') =>
            {
                return Err(Fault::Scheme(other.to_owned()).into());
            }
            _ => return Err(Fault::NoScheme.into()),
        };
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut roots = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("cacert", path)) => roots = Some(decoded(path)),
                other => {
                    let name = other.map_or(pair, |(name, _)| name);
                    return Err(Fault::Parameter(name.to_owned()).into());
                }
            }
        }
        if roots.is_some() && !encrypted {
            return Err(Fault::Unencrypted.into());
        }
        // TLS is ours: fred's own would take the provider that the process has installed.
        let plain = base.replacen("rediss://", "redis://", 1);
        let mut config = Config::from_url_centralized(&plain)
            .map_err(|error| Fault::Parse(error.details().to_owned()))?;
        if let ServerConfig::Centralized { server } = &mut config.server {
            // It is an address to connect to, not a part of a URL.
            let host = server.host.trim_start_matches('[').trim_end_matches(']');
            server.host = host.to_owned().into();
        }
        if encrypted {
            config.tls = Some(TlsConfig::from(connector(roots.as_deref())?));
        }
        Ok(Self { config })
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("hosts", &self.config.server.hosts())
            .field("database", &self.config.database)
            .field("tls", &self.config.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// `%2F` and its like, where they are whole and make text.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| byte == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use fred::types::config::ServerConfig;

    use super::Target;

    #[test]
    fn a_url_names_a_server_a_user_and_a_database() {
        let config = Target::parse("redis://app:p%40ss@[::1]:7000/3")
            .unwrap()
            .config;
        let ServerConfig::Centralized { server } = &config.server else {
            panic!("{:?}", config.server);
        };
        assert_eq!((&*server.host, server.port), ("::1", 7_000));
        assert_eq!(config.username.as_deref(), Some("app"));
        assert_eq!(config.password.as_deref(), Some("p@ss"));
        assert_eq!((config.database, config.tls), (Some(3), None));
        assert!(Target::parse("redis://localhost").is_ok());
    }

    #[test]
    fn a_wrong_url_is_named_without_its_password() {
        for (url, why) in [
            (
                "redis-sentinel://:secret@h:26379",
                "redis-sentinel:// is not supported",
            ),
            (
                "rediss-cluster://:secret@h",
                "rediss-cluster:// is not supported",
            ),
            (
                "redis+unix://:secret@/tmp/redis.sock",
                "begins with redis://",
            ),
            ("unix:///tmp/secret.sock", "unix:// is not supported"),
            ("u:secret://h", "begins with redis://"),
            ("localhost:6379", "begins with redis://"),
            ("redis://:secret@h:port", "cannot read"),
            ("redis://:secret@h/data", "cannot read"),
            ("redis://:secret@h?node=other", "node is not supported"),
            ("redis://:secret@h?cacert=/ca.pem", "no effect without TLS"),
            (
                "rediss://:secret@h?cacert=%2Fnowhere",
                "certificates of /nowhere",
            ),
        ] {
            let error = Target::parse(url).map(drop).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(why), "{url}: {text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
