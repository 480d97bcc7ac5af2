//! URLs of servers: what libpq knows of TLS and tokio-postgres does not is read here.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls::{Roots, Verification, connector};

/// So long may a peer acknowledge nothing.
const SILENCE: Duration = Duration::from_secs(15);

/// Where a server is, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) tls: MakeRustlsConnect,
}

/// A URL that does not name a server, without its password.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct InvalidUrl(#[from] Fault);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("a database URL begins with postgres:// or postgresql://")]
    Scheme,
    #[error("a database URL names one server, this one names {0}")]
    Hosts(usize),
    #[error("sslmode={0} is none of disable, prefer, require, verify-ca and verify-full")]
    Mode(String),
    #[error("sslrootcert is of no effect unless sslmode is require, verify-ca or verify-full")]
    Unchecked,
    #[error("{0} is not supported in a database URL")]
    Unsupported(String),
    #[error("cannot use the certificates of sslrootcert={path}: {why}")]
    Roots { path: String, why: String },
    #[error("cannot read the database URL")]
    Parse(#[source] tokio_postgres::Error),
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self, InvalidUrl> {
        let is_url = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        if !is_url {
            return Err(Fault::Scheme.into());
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut roots, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "sslmode" => mode = Some(value),
                "sslrootcert" => roots = Some(decoded(value)),
                "sslcert" | "sslkey" | "sslcrl" | "passfile" | "service" => {
                    return Err(Fault::Unsupported(name.to_owned()).into());
                }
                _ => rest.push(pair),
            }
        }
        let url = format!("{base}?{}", rest.join("&"));
        let mut config: Config = url.parse().map_err(Fault::Parse)?;
        let (ssl_mode, verification) = security(mode, roots.as_deref())?;
        config.ssl_mode(ssl_mode);
        // A peer that is gone is not waited for for hours.
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        if !query.contains("keepalives_idle=") {
            config.keepalives_idle(SILENCE);
        }
        let (host, port) = address(&config)?;
        Ok(Self {
            config,
            host,
            port,
            tls: connector(&verification).map_err(Fault::Tls)?,
        })
    }
}

fn security(
    mode: Option<&str>,
    given: Option<&str>,
) -> Result<(SslMode, Verification), InvalidUrl> {
    let roots = || Roots::load(given.unwrap_or("system"));
    Ok(match mode {
        None | Some("prefer" | "disable") if given.is_some() => {
            return Err(Fault::Unchecked.into());
        }
        None | Some("prefer") => (SslMode::Prefer, Verification::None),
        Some("disable") => (SslMode::Disable, Verification::None),
        // As libpq does.
        Some("require") if given.is_some() => (SslMode::Require, Verification::Authority(roots()?)),
        Some("require") => (SslMode::Require, Verification::None),
        Some("verify-ca") => (SslMode::Require, Verification::Authority(roots()?)),
        Some("verify-full") => (SslMode::Require, Verification::Full(roots()?)),
        Some(other) => return Err(Fault::Mode(other.to_owned()).into()),
    })
}

/// The one server that it names: a token to cancel a statement must reach the same.
fn address(config: &Config) -> Result<(Host, u16), InvalidUrl> {
    match config.get_hosts() {
        [host] => {
            let port = config.get_ports().first().copied();
            Ok((host.clone(), port.unwrap_or(5_432)))
        }
        hosts => Err(Fault::Hosts(hosts.len()).into()),
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
    use tokio_postgres::config::SslMode;

    use super::{Target, decoded};

    #[test]
    fn a_url_says_how_the_server_is_trusted() {
        let of = |query: &str| Target::parse(&format!("postgres://app@db.example.com/app{query}"));
        for (query, mode) in [
            ("", SslMode::Prefer),
            ("?sslmode=disable", SslMode::Disable),
            ("?connect_timeout=3&sslmode=prefer", SslMode::Prefer),
            ("?sslmode=require&application_name=x", SslMode::Require),
        ] {
            let target = of(query).unwrap();
            assert_eq!(target.config.get_ssl_mode(), mode, "{query}");
            assert_eq!(target.port, 5_432);
        }
        let missing = of("?sslmode=verify-full&sslrootcert=%2Fnowhere")
            .err()
            .unwrap();
        assert!(
            missing.to_string().contains("sslrootcert=/nowhere"),
            "{missing}"
        );
    }

    #[test]
    fn a_wrong_url_is_named_without_its_password() {
        for (url, why) in [
            ("mysql://u:secret@h/d", "begins with postgres://"),
            ("postgres://u:secret@a,b/d", "names 2"),
            (
                "postgres://u:secret@h/d?sslmode=allow",
                "sslmode=allow is none of",
            ),
            (
                "postgres://u:secret@h/d?sslcert=x",
                "sslcert is not supported",
            ),
            ("postgres://u:secret@h:port/d", "cannot read"),
        ] {
            let Err(error) = Target::parse(url) else {
                panic!("{url}");
            };
            let text = format!("{error} {error:?}");
            assert!(text.contains(why), "{url}: {text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn what_is_no_escape_stays_as_it_is() {
        assert_eq!(decoded("%2Fetc%2fca.pem"), "/etc/ca.pem");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }
}
